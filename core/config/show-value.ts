import { inspect } from "node:util";

const secret = /key|token|secret|password|authorization|credential|cookie/i;

/** A refused value for a terminal or a log: shortened, and hidden when its place or its look says that it is a secret. */
export function showValue(value: unknown, path: readonly PropertyKey[] = []): string {
  if (typeof value === "string" && path.some((key) => secret.test(String(key)))) return "'***'";
  const text = inspect(value, { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 4 });
  if (typeof value === "object" && value !== null && secret.test(text)) {
    return Array.isArray(value) ? "[...]" : `{ ${Object.keys(value).join(", ")} }`;
  }
  const shown = text.replaceAll(/\/\/[^/@\s]+@/g, "//***@");
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}

/** What was received is shown apart, with care; some schemas put it into their words. */
export function withoutReceived(message: string): string {
  return message.replace(/,? but received [^]*$/, "");
}
