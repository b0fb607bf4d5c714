import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { type Position, toPosition } from "./frame.ts";
import { suggest } from "./suggest.ts";

/** A place in a file. */
export interface Place extends Position {
  readonly file: string;
}

interface Fault {
  readonly message: string;
  readonly place?: Place | undefined;
  readonly fix?: string;
}

/** Why a config file could not be loaded, and where. */
export class ConfigLoadError extends Error {
  /** The config. */
  readonly file: string;
  readonly place: Place | undefined;
  readonly fix: string | undefined;
  /** What was read on the way, to watch for the repair. */
  readonly files: readonly string[];

  constructor(file: string, files: readonly string[], fault: Fault, options?: ErrorOptions) {
    super(fault.message, options);
    this.name = "ConfigLoadError";
    this.file = file;
    this.files = files;
    this.place = fault.place;
    this.fix = fault.fix;
  }
}

export function isConfigLoadError(error: unknown): error is ConfigLoadError {
  return error instanceof Error && error.name === "ConfigLoadError" && "files" in error;
}

export interface LoadContext {
  readonly file: string;
  readonly files: readonly string[];
  /** Modules that a config imports from this package, by name. */
  readonly modules: Readonly<Record<string, object>>;
}

/** Says where in the user's files a load failed, and what to do. */
export function toLoadError(error: unknown, context: LoadContext): ConfigLoadError {
  const fault = parseFault(error) ?? missingModule(error) ?? missingExport(error, context) ?? thrown(error, context);
  return new ConfigLoadError(context.file, context.files, fault, { cause: error });
}

/** jiti's transpiler puts code, message and place into one text; its columns count from 0. */
function parseFault(error: unknown): Fault | undefined {
  const text = error instanceof Error ? stripVTControlCharacters(error.message) : "";
  const match = /^(?:\w*ParseError|\w+): (.*?)\s*\n\s*(\S.*):(\d+):(\d+)$/su.exec(text);
  if (match === null) return undefined;
  const [, message = "", file = "", line = 0, column = 0] = match;
  const plain = message.replace(/^\S+: /u, "").replace(/\s*\(\d+:\d+\)[^]*$/u, "");
  return {
    message: `syntax error: ${plain}`,
    place: { file, line: Number(line), column: Number(column) + 1 },
  };
}

function missingModule(error: unknown): Fault | undefined {
  if (!(error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND")) return undefined;
  const [, name, importer] = /Cannot find module '([^']+)'\nRequire stack:\n- (.+)/u.exec(error.message) ?? [];
  if (name === undefined || importer === undefined) return undefined;
  const isFile = /^(?:\.|\/|file:)/u.test(name);
  return {
    message: `cannot find ${isFile ? "the file" : "the package"} "${name}"`,
    place: placeOf(importer, new RegExp(`(["'])${escape(name)}\\1`, "u")),
    fix: isFile ? `check the path; it is relative to ${importer}` : `npm install ${packageOf(name)}`,
  };
}

/** A misspelt import is undefined in transpiled code, so it fails where it is called. */
function missingExport(error: unknown, context: LoadContext): Fault | undefined {
  if (!(error instanceof TypeError)) return undefined;
  const match = /^\(0 , _\w+\.([\w$]+)\) is not a function/u.exec(error.message);
  const name = match?.[1];
  const place = name === undefined ? undefined : placeInStack(error, context.files);
  if (name === undefined || place === undefined) return undefined;
  const line = readLines(place.file)[place.line - 1] ?? "";
  const column = line.indexOf(`${name}(`) + 1 || place.column;
  const exported = Object.values(context.modules).flatMap((module) => Object.keys(module));
  const near = suggest(name, exported);
  const fix = near === undefined ? `import "${name}" from where it is exported` : `did you mean "${near}"?`;
  return {
    message: `"${name}" is called here, but what it is imported from exports no such name`,
    place: { ...place, column },
    fix,
  };
}

function thrown(error: unknown, { files }: LoadContext): Fault {
  if (!(error instanceof Error)) return { message: `the file threw ${String(error)} while it was loaded` };
  const name = error.name === "Error" ? "" : `${error.name}: `;
  return { message: `${name}${error.message}`, place: placeInStack(error, files) };
}

/** The innermost place in the user's own files. */
function placeInStack(error: Error, files: readonly string[]): Place | undefined {
  const known = new Set(files);
  for (const row of error.stack?.split("\n") ?? []) {
    const [, url = "", line = 0, column = 0] = /([^\s(]+|(?<=\()[^)]+?):(\d+):(\d+)\)?$/u.exec(row) ?? [];
    const file = url.startsWith("file:") ? fileURLToPath(url.replace(/[?#].*$/u, "")) : url;
    if (known.has(file)) return { file, line: Number(line), column: Number(column) };
  }
  return undefined;
}

function placeOf(file: string, pattern: RegExp): Place | undefined {
  const source = readLines(file).join("\n");
  const index = source.search(pattern);
  return index === -1 ? undefined : { file, ...toPosition(source, index) };
}

function readLines(file: string): string[] {
  return readFileSync(file, "utf8").split(/\r?\n/u);
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`);
}

function packageOf(name: string): string {
  return name.split("/", name.startsWith("@") ? 2 : 1).join("/");
}
