import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { locate, type Position } from "../config/frame.ts";
import { loadDefault } from "../config/load.ts";
import { isConfigLoadError, type Place } from "../config/load-error.ts";
import { suggest } from "../config/suggest.ts";
import { textOf } from "../errors.ts";

/** Why a file could not be read, and where in it or in a file that it imports. */
export interface Fault {
  readonly message: string;
  readonly fix?: string | undefined;
  readonly position?: Position | Place | undefined;
}

/** What a file says, and where it says what. */
export type Source =
  | { readonly faults: readonly Fault[] }
  | {
      readonly faults?: undefined;
      readonly value: unknown;
      readonly locate: (path: readonly string[]) => Position | undefined;
    };

const readers: Readonly<Record<string, (file: string) => Promise<Source>>> = {
  ".yaml": async (file) => (await import("./yaml.ts")).readYaml(readText(file)),
  ".yml": async (file) => (await import("./yaml.ts")).readYaml(readText(file)),
  ".json": readJson,
  ".ts": readScript,
  ".mts": readScript,
  ".js": readScript,
  ".mjs": readScript,
};

/** Reads a file of route tests: YAML, JSON, or a script by its default export. */
export async function readSource(file: string): Promise<Source> {
  const read = readers[extname(file).toLowerCase()];
  if (read === undefined) return { faults: [unknownKind(extname(file))] };
  try {
    const source = await read(file);
    if (source.faults !== undefined || (source.value ?? undefined) !== undefined) return source;
    return { faults: [{ message: "the file says nothing", fix: "write tests: [...] into it" }] };
  } catch (error) {
    const message = whyUnreadable(error);
    if (message === undefined) throw error;
    return { faults: [{ message }] };
  }
}

function unknownKind(extension: string): Fault {
  const known = Object.keys(readers);
  const near = suggest(extension, known);
  const fix = near === undefined ? `write it as one of ${known.join(", ")}` : `did you mean ${near}?`;
  return { message: `a file of route tests cannot be ${extension || "without an extension"}`, fix };
}

function whyUnreadable(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  return code === "EISDIR" ? "this is not a file" : undefined;
}

function readText(file: string): string {
  return readFileSync(file, "utf8").replace(/^\uFEFF/, "");
}

/** JSON and no more than that; the reader of YAML knows the places, and sees a key that is given twice. */
async function readJson(file: string): Promise<Source> {
  const text = readText(file);
  const { readYaml } = await import("./yaml.ts");
  const source = readYaml(text);
  try {
    JSON.parse(text);
    return source;
  } catch (error) {
    const message = `this is no JSON: ${textOf(error)}`;
    const position = source.faults?.[0]?.position;
    return {
      faults: [{ message, position, ...(source.faults === undefined && { fix: "name it .yaml if it is YAML" }) }],
    };
  }
}

const noTable: Fault = {
  message: "the file has no default export",
  fix: "export default defineRouteTests({ tests: [...] })",
};

/** As a config is loaded, so that `plugboard` is the instance that is running. */
async function readScript(file: string): Promise<Source> {
  const text = readText(file);
  try {
    const { value } = await loadDefault(file);
    if (value === undefined) return { faults: [noTable] };
    const find = (path: readonly string[]): Position | undefined =>
      locate(text, "define-route-tests", path.join(".")) ?? locate(text, "", path.join("."));
    return { value, locate: find };
  } catch (error) {
    if (!isConfigLoadError(error)) throw error;
    const { message, fix, place } = error;
    return { faults: [{ message, fix, position: place }] };
  }
}
