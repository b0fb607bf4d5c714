import { usageError } from "./failure.ts";

/**
 * The token of a registry: of the flag, else of the environment, where an empty one is as good as none.
 *
 * @throws Failure that names where it came from, and not what it was
 */
export function readToken(flag: string | undefined, least: number): string | undefined {
  const token = flag ?? (process.env.PLUGBOARD_REGISTRY_TOKEN || undefined);
  if (token === undefined || (/^[\x21-\x7e]+$/u.test(token) && token.length >= least)) return token;
  const origin = flag === undefined ? "PLUGBOARD_REGISTRY_TOKEN" : "--token";
  const wanted = least > 1 ? `${least} characters or more, without spaces` : "letters, digits and signs without spaces";
  throw usageError(`${origin} is no token: ${wanted}`, "make one with: openssl rand -hex 32");
}

/** @throws Failure that does not repeat what may have a password in it */
export function checkRegistryUrl(text: string): string {
  if (/^https?:\/\/[^/?#@\s\\]+(?:\/[^?#\s]*)?$/iu.test(text) && URL.canParse(text)) return text;
  if (text.includes("@"))
    throw usageError("--registry-url has credentials in it", "leave them out: a token is PLUGBOARD_REGISTRY_TOKEN");
  const near = URL.canParse(`http://${text}`) ? `http://${text}` : "http://127.0.0.1:18000";
  throw usageError(`--registry-url ${text} is no URL of a registry`, `did you mean --registry-url ${near}?`);
}
