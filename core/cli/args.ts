import { parseArgs, type ParseArgsConfig } from "node:util";
import type { ArgsDef } from "citty";
import { suggest } from "../config/suggest.ts";
import { type Failure, usageError } from "./failure.ts";

/** Flags that every command has without defining them. */
const builtIn: ArgsDef = { help: { type: "boolean", alias: "h" } };

interface Flag {
  readonly name: string;
  readonly takesValue: boolean;
}

export interface StrictOptions {
  /** Flags that may be given more than once, of which citty itself sees only the last. */
  readonly repeatable?: readonly string[];
  /** Any number of words may follow. */
  readonly variadic?: boolean;
  /** Words behind `--` are taken as they are. */
  readonly rest?: boolean;
  /** Flags whose value may begin with a dash; citty itself does not see it, so it is to be taken from `all`. */
  readonly dashed?: readonly string[];
}

export interface StrictArgs {
  /** Each value of a flag that may be given more than once. */
  all(name: string): readonly string[];
  /** What stands behind `--`; undefined without it. */
  readonly rest: readonly string[] | undefined;
}

/**
 * Refuses what citty would let pass: unknown and repeated flags, missing values, arguments too many.
 */
export function checkArgs(
  raw: readonly string[],
  defs: ArgsDef,
  { repeatable = [], variadic = false, rest = false, dashed = [] }: StrictOptions = {},
): StrictArgs {
  const flags = listFlags({ ...defs, ...builtIn });
  const room = variadic ? Infinity : Object.values(defs).filter(({ type }) => type === "positional").length;
  const values = new Map<string, string[]>();
  let positionals = 0;
  const end = rest ? raw.indexOf("--") : -1;
  for (const token of tokensOf(end === -1 ? raw : raw.slice(0, end), flags)) {
    if (token.kind === "option") readOption(token, { flags, dashed }, values);
    else if (token.kind === "positional" && ++positionals > room) throw unexpected(token.value);
  }
  for (const [name, given] of values) {
    if (given.length > 1 && !repeatable.includes(name))
      throw usageError(`--${name} is given ${given.length} times`, "give it once");
  }
  return { all: (name) => values.get(name) ?? [], rest: end === -1 ? undefined : raw.slice(end + 1) };
}

interface OptionToken {
  readonly kind: "option";
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
}

type ArgToken =
  | OptionToken
  | { readonly kind: "positional"; readonly value: string }
  | { readonly kind: "option-terminator" };

function tokensOf(raw: readonly string[], flags: ReadonlyMap<string, Flag>): readonly ArgToken[] {
  const options: NonNullable<ParseArgsConfig["options"]> = {};
  for (const [key, { name, takesValue }] of flags) {
    if (key.length > 1 || key === name) options[key] = { ...options[key], type: takesValue ? "string" : "boolean" };
  }
  for (const [key, { name }] of flags)
    if (key.length === 1 && key !== name)
      options[name] = { ...options[name], type: options[name]?.type ?? "boolean", short: key };
  return parseArgs({ args: [...raw], options, strict: false, tokens: true }).tokens;
}

/** By every spelling: the name and its short form. */
function listFlags(defs: ArgsDef): Map<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === "positional") continue;
    const flag = { name, takesValue: def.type !== "boolean" };
    for (const key of [name, "alias" in def ? (def.alias ?? []) : []].flat()) flags.set(key, flag);
  }
  return flags;
}

interface Known {
  readonly flags: ReadonlyMap<string, Flag>;
  readonly dashed: readonly string[];
}

function readOption(token: OptionToken, { flags, dashed }: Known, values: Map<string, string[]>): void {
  const flag = flags.get(token.name);
  if (flag === undefined) throw unknown(token, flags);
  if (!flag.takesValue && token.value !== undefined)
    throw usageError(`${token.rawName} takes no value, received ${token.value}`);
  const isFlag = /^-./u.test(token.value ?? "") && !dashed.includes(flag.name);
  if (flag.takesValue && (token.value === undefined || token.value === "" || isFlag)) {
    throw usageError(`${token.rawName} needs a value`);
  }
  values.set(flag.name, [...(values.get(flag.name) ?? []), token.value ?? ""]);
}

function unknown({ rawName, name }: OptionToken, flags: ReadonlyMap<string, Flag>): Failure {
  const long = [...flags.keys()].filter((key) => key.length > 1);
  const near = suggest(name, long);
  return usageError(`unknown option ${rawName}`, near === undefined ? undefined : `did you mean --${near}?`);
}

function unexpected(value: string): Failure {
  return usageError(`unexpected argument ${value}`, hintAt(value));
}

/** What someone means who passes a URL or a file as it is. */
export function hintAt(word: string): string | undefined {
  if (/^https?:\/\//u.test(word)) return `did you mean --target ${word}?`;
  return /\.[cm]?[jt]s$/u.test(word) ? `did you mean --config ${word}?` : undefined;
}

/** @throws Failure that names where the port came from */
export function parsePort(text: string, origin: string): number {
  const port = /^\d{1,5}$/u.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw usageError(`${origin} ${text} is no port`, "pass a whole number from 0 (any free port) to 65535");
}
