import * as v from "valibot";
import { knownKeys } from "../config/known-keys.ts";
import { showValue, withoutReceived } from "../config/show-value.ts";
import { suggest } from "../config/suggest.ts";
import type { RouteTests } from "./define.ts";
import { routeTestsSchema } from "./schema.ts";

/** Something that is wrong with a table itself, so that its tests cannot be run. */
export interface Mistake {
  /** From the root of the table; empty for the file as a whole. */
  readonly path: readonly string[];
  readonly message: string;
  readonly received?: string;
  readonly fix?: string;
}

export type CheckedTable =
  | { readonly tests: RouteTests; readonly mistakes?: undefined }
  | { readonly mistakes: readonly Mistake[] };

/** Checks what a file of route tests says, and tells all that is wrong with it at once. */
export function checkFormat(value: unknown): CheckedTable {
  const result = v.safeParse(routeTestsSchema, value);
  // Nothing of the schema transforms, and functions and patterns stay what they are.
  if (result.success) return { tests: value as RouteTests };
  const mistakes = result.issues.map(toMistake);
  const texts = mistakes.map(({ path, message }) => JSON.stringify([path, message]));
  return { mistakes: mistakes.filter((_, index) => texts.indexOf(texts[index] ?? "") === index) };
}

function toMistake(issue: v.BaseIssue<unknown>): Mistake {
  const parts = issue.path ?? [];
  const path = parts.map(({ key }) => String(key));
  const message = withoutReceived(issue.message);
  const last = parts.at(-1);
  if (last === undefined) return { path, message, ...show(issue.input, path) };
  const key = path.at(-1) ?? "";
  const above = path.slice(0, -1);
  const known = knownKeys(routeTestsSchema, above);
  const parent: unknown = last.input;
  if (known === undefined || typeof parent !== "object" || parent === null)
    return { path, message, ...show(last.value, path) };
  // Where keys are expected, valibot takes a list for an object of numbers.
  if (Array.isArray(parent)) return { path: above, message };
  if (!known.includes(key)) return unknownKey(path, key, known);
  if (!Object.hasOwn(parent, key)) return { path: above, message: `${key} is missing` };
  return { path, message, ...show(last.value, path) };
}

/** A whole test is no help beside its place. */
function show(received: unknown, path: readonly string[]): { received?: string } {
  return typeof received === "object" && received !== null ? {} : { received: showValue(received, path) };
}

function unknownKey(path: readonly string[], key: string, known: readonly string[]): Mistake {
  const meant = suggest(key, known);
  const fix = meant === undefined ? `the keys here are ${known.join(", ")}` : `did you mean "${meant}"?`;
  return { path, message: `unknown key ${key}`, fix };
}
