import type { RegistryAnswer } from "./_registrar-client.ts";

/** What a registry's refusal means for whoever runs the service, and what to do. */
export function explainRefusal(name: string, { status, reason, url }: RegistryAnswer, withToken: boolean): string {
  if (status === 0) return `${name} does not reach its registry, trying again: ${reason}`;
  if (status === 401) return `${url} refuses ${name}: ${withToken ? otherToken : noToken}`;
  if (status === 403) return `${url} refuses ${name}: ${reason.startsWith("status ") ? noWriter : reason}`;
  if (status === 404 || status === 405) return `there is no registry at ${url} for ${name}; check the URL`;
  return isRedirect(status)
    ? `${url} redirects elsewhere, which is not followed; name that URL for ${name}`
    : `${url} refuses ${name}, trying again: ${reason}`;
}

const noToken = "it wants a token; set the registry's, as PLUGBOARD_REGISTRY_TOKEN";
const otherToken = "it wants another token than the one it was sent; set the registry's";
const noWriter = "add the address to the writers of the registry, or give both a token";

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** It is what was sent that the registry does not take: sending it again does not help. */
export function isRefusalOfContent(status: number): boolean {
  return status === 400 || status === 413 || status === 415 || status === 422;
}
