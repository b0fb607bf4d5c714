import { type Exchange, ProxyError } from "../../core/index.ts";

/** Where clients of the usual APIs send their key. */
export const credentialHeaders: readonly string[] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/** The one key in these headers; undefined without any. Throws when they hold two: nobody can say who asks. */
export function readCredential({ headers }: Exchange, names: readonly string[]): string | undefined {
  let found: string | undefined;
  for (const name of names) {
    const value = headers[name];
    if (typeof value !== "string") continue;
    const secret = name === "authorization" ? value.replace(/^bearer(?: +|$)/i, "") : value;
    if (secret === "" || secret === found) continue;
    if (found !== undefined) throw twoTruths(names);
    found = secret;
  }
  return found;
}

/** Takes what the client proved itself with off what is sent on, wherever else it stands. */
export function stripCredential(x: Exchange, names: readonly string[]): void {
  const { headers } = x.upstream;
  const secret = readCredential(x, names);
  for (const name of names) delete headers[name];
  if (secret === undefined) return;
  for (const name of Object.keys(headers)) if (String(headers[name]).includes(secret)) delete headers[name];
}

function twoTruths(names: readonly string[]): ProxyError {
  return new ProxyError("invalid_request", `The request has two different keys in ${names.join(", ")}; send one.`);
}
