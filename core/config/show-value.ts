import { inspect } from "node:util";
import { secretValues } from "./env.ts";

const secret = /auth|bearer|key|token|secret|password|passphrase|credential|cookie/i;
/** A header may have any name. */
const secretPlace = /^headers$/i;
/** How vendors begin their keys. */
const keyLike = /(?<![\w-])(?:sk|pk|rk|gsk|xai|hf|ghp|AIza)[-_\w]{8,}/g;

/** A refused value for a terminal or a log: shortened, and hidden when its place or its look says that it is a secret. */
export function showValue(value: unknown, path: readonly PropertyKey[] = []): string {
  const hidden = path.some((key) => isSecretPlace(String(key)));
  if (hidden && typeof value === "string") return "'***'";
  const text = inspect(value, { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 4 });
  if (typeof value === "object" && value !== null && (hidden || secret.test(text))) {
    // In a table of keys the names are what is secret.
    return Array.isArray(value) ? "[...]" : `{ ${hidden ? "..." : Object.keys(value).join(", ")} }`;
  }
  const shown = withoutSecrets(text);
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}

/** Whether what stands under this name is a secret, or may have one in it. */
export function isSecretPlace(name: string): boolean {
  return secret.test(name) || secretPlace.test(name);
}

/** A text without credentials and queries of URLs, what looks like a key, and what came from a variable named like one. */
export function withoutSecrets(text: string): string {
  return withoutKeys(text)
    .replaceAll(/[^\s/'"@]+@/g, "***@")
    .replaceAll(/(?<=:\/\/[^\s'"?]*\?)[^\s'"]+/g, "***");
}

/** The same for text that is somebody's words, in which a URL or an address is no secret. */
export function withoutKeys(text: string): string {
  let shown = text;
  for (const value of secretValues()) shown = shown.replaceAll(value, "***");
  return shown.replaceAll(keyLike, "***");
}

/** What was received is shown apart, with care; some schemas put it into their words. */
export function withoutReceived(message: string): string {
  return message.replace(/,? but received [^]*$/, "");
}
