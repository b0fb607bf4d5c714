import { inspect } from "node:util";

const secret = /auth|bearer|key|token|secret|password|passphrase|credential|cookie/i;
/** A header may have any name. */
const secretPlace = /^headers$/i;
/** How vendors begin their keys. */
const keyLike = /(?<![\w-])(?:sk|pk|rk|gsk|xai|hf|ghp|AIza)[-_\w]{8,}/g;

/** A refused value for a terminal or a log: shortened, and hidden when its place or its look says that it is a secret. */
export function showValue(value: unknown, path: readonly PropertyKey[] = []): string {
  const hidden = path.some((key) => secret.test(String(key)) || secretPlace.test(String(key)));
  if (hidden && typeof value === "string") return "'***'";
  const text = inspect(value, { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 4 });
  if (typeof value === "object" && value !== null && (hidden || secret.test(text))) {
    return Array.isArray(value) ? "[...]" : `{ ${Object.keys(value).join(", ")} }`;
  }
  const shown = text
    .replaceAll(/[^\s/'"@]+@/g, "***@")
    .replaceAll(/(?<=:\/\/[^\s'"?]*\?)[^\s'"]+/g, "***")
    .replaceAll(keyLike, "***");
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}

/** What was received is shown apart, with care; some schemas put it into their words. */
export function withoutReceived(message: string): string {
  return message.replace(/,? but received [^]*$/, "");
}
