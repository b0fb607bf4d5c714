import { readFile, stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import type { TargetSpec } from "../../core/index.ts";
import { type Position, toPosition } from "../../core/config/frame.ts";
import { findJsonFault } from "./_json-fault.ts";
import { parseTargetList, showFault } from "./_target-list.ts";

/** The targets that a file names, or all that is wrong with it, each with its place. */
export type TargetFile =
  | { readonly targets: readonly TargetSpec[]; readonly faults?: undefined }
  | { readonly faults: readonly string[] };

interface TextFault {
  readonly message: string;
  readonly position?: Position | undefined;
}

/** What a text says, and where it says what, as far as its format shows it. */
type Text =
  | { readonly faults: readonly TextFault[] }
  | {
      readonly faults?: undefined;
      readonly value: unknown;
      /** Found only when something is wrong. */
      readonly places?: () => Promise<Places>;
    };

type Places = ((path: readonly string[]) => Position | undefined) | undefined;

const largest = 1_048_576;
/** Faults of one file that are told. */
const most = 20;

const tooDeep = "the file is nested too deeply";

const readers: Readonly<Record<string, (text: string) => Promise<Text>>> = {
  ".json": readJson,
  ".yaml": readYaml,
  ".yml": readYaml,
  ".toml": readToml,
};

export const targetFileExtensions: readonly string[] = Object.keys(readers);

/** Reads a list of targets from a file; never rejects. */
export async function readTargetFile(file: string): Promise<TargetFile> {
  const at = (message: string, position?: Position): string => {
    const place = position === undefined ? "" : `:${position.line}:${position.column}`;
    return `${basename(file)}${place}: ${message}`;
  };
  try {
    const text = await readText(file);
    const read = await readers[extname(file).toLowerCase()]?.(text);
    if (read === undefined) throw new Error(`Expected one of ${targetFileExtensions.join(", ")}`);
    if (read.faults !== undefined) return { faults: read.faults.map(({ message, position }) => at(message, position)) };
    const list = parseTargetList(read.value);
    if (list.faults === undefined) return list;
    // The path of a bare list begins with a key that the file does not have.
    const outer = Array.isArray(read.value) ? 1 : 0;
    const told = list.faults.slice(0, most);
    const locate = await read.places?.();
    const faults = told.map((fault) => at(showFault(fault), locate?.(fault.path.slice(outer))));
    const rest = list.faults.length - told.length;
    return { faults: rest === 0 ? faults : [...faults, at(`and ${rest} more`)] };
  } catch (error) {
    return { faults: [at(whyUnreadable(error))] };
  }
}

async function readText(file: string): Promise<string> {
  const found = await stat(file);
  if (!found.isFile()) throw new Error("this is not a file");
  if (found.size > largest) throw new Error(`the file has ${found.size} bytes; ${largest} is the most`);
  const text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  // A file that is being written begins empty; no targets are written [].
  if (text.trim() === "") throw new Error("the file is empty; write [] into it if there are no targets");
  return text;
}

function whyUnreadable(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  if (code === "ERR_ENCODING_INVALID_ENCODED_DATA") return "the file is not UTF-8";
  // Both name the path, or what stands in the file.
  if (error instanceof RangeError) return tooDeep;
  return typeof code === "string" ? `the file cannot be read: ${code}` : error.message;
}

async function readJson(text: string): Promise<Text> {
  try {
    return { value: JSON.parse(text), places: () => placesOf(text) };
  } catch {
    const { offset, expected } = findJsonFault(text);
    return { faults: [{ message: `no valid JSON, expected ${expected} here`, position: toPosition(text, offset) }] };
  }
}

/** JSON is YAML, whose reader knows the places. */
async function placesOf(text: string): Promise<Places> {
  const { readYaml: read } = await import("../../core/route-tests/yaml.ts");
  const source = read(text);
  return source.faults === undefined ? source.locate : undefined;
}

async function readYaml(text: string): Promise<Text> {
  const { readYaml: read } = await import("../../core/route-tests/yaml.ts");
  const source = read(text);
  if (source.faults === undefined) return { value: source.value, places: async () => source.locate };
  return { faults: source.faults.map(({ message, position }) => ({ message: toYamlMessage(message), position })) };
}

/** Some messages end with what stands there. */
function toYamlMessage(message: string): string {
  return message.startsWith("Maximum call stack") ? tooDeep : message.replace(/: ".*$/, "");
}

async function readToml(text: string): Promise<Text> {
  const { parse, TomlError } = await import("smol-toml");
  try {
    return { value: parse(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const message = error.message.split("\n", 1)[0]?.replace("Invalid TOML document: ", "no valid TOML: ");
    return { faults: [{ message: message ?? "no valid TOML", position: error }] };
  }
}
