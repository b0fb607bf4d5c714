import { parse, TomlError } from "smol-toml";
import type { Fault } from "./_babysit-toml-faults.ts";

export type Table = Readonly<Record<string, unknown>>;

const largest = 1_048_576;

/** What a file says, as JSON could say it; or why it cannot be read. */
export function parseToml(
  text: string,
): { readonly table: Table } | { readonly line?: number; readonly message: string } {
  if (text.length > largest) return { message: `the file has ${text.length} characters; ${largest} is the most` };
  try {
    const table = parse(text, { integersAsBigInt: "asNeeded", unsafeKeyBehaviour: "throw", maxDepth: 64 });
    return { table: toJson(table) as Table };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // After its first line it shows those of the file, where secrets may be.
    const [message = ""] = error.message.replace(/^Invalid TOML document: /u, "").split("\n");
    return { line: error.line, message: `this is not TOML: ${message}` };
  }
}

/** Dates, and whole numbers that are too large for JSON, become texts. */
function toJson(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
}

/** Numbers that JSON does not have. */
export function findEndless(value: unknown, path: readonly string[]): readonly Fault[] {
  if (typeof value === "number" && !Number.isFinite(value))
    return [{ path, message: "Expected a number that JSON has", fix: "write it as text" }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => findEndless(inner, [...path, key]));
}
