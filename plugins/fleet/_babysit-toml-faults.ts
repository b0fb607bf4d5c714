import type * as v from "valibot";
import { suggest } from "../../core/index.ts";
import { showValue } from "../../core/config/show-value.ts";
import { knownKeys } from "./_babysit-toml-schema.ts";

/** What is wrong with one value of a file. */
export interface Fault {
  readonly path: readonly string[];
  readonly message: string;
  readonly received?: string;
  readonly fix?: string;
}

/** Tables whose values may be secrets. */
const unshown: ReadonlySet<string | undefined> = new Set(["env", "args", "command"]);

export function toFault(issue: v.BaseIssue<unknown>): Fault {
  const path = (issue.path ?? []).map(({ key }) => String(key));
  const name = path.at(-1) ?? "";
  if (issue.type === "strict_object" && issue.expected === "never") return unknownKey(path, name);
  if (issue.input === undefined) return { path, message: `${name} is missing`, fix: howToSet(path) };
  const received = path.length > 1 && unshown.has(path[1]) ? undefined : showValue(issue.input, path);
  return { path, message: issue.message, ...(received !== undefined && { received }) };
}

function unknownKey(path: readonly string[], name: string): Fault {
  const table = path.slice(0, -1);
  const known = knownKeys[table.join(".")] ?? [];
  const near = suggest(name, known);
  const where = table.length === 0 ? "" : ` in [${table.join(".")}]`;
  const fix = near === undefined ? `the keys are ${known.join(", ")}` : `did you mean ${near}?`;
  return { path, message: `unknown key ${name}${where}`, fix };
}

function howToSet(path: readonly string[]): string {
  const name = path.at(-1) ?? "";
  const examples: Readonly<Record<string, string>> = {
    port: "port = 8100",
    backend: '[backend], below it type = "vllm"',
    type: 'type = "vllm"',
    models: 'models = ["small"]',
  };
  return `write ${examples[name] ?? `${name} = "..."`}${path.length > 1 ? ` below [${path.slice(0, -1).join(".")}]` : ""}`;
}
