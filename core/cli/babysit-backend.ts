import { readFileSync } from "node:fs";
import { extension } from "../config/own-modules.ts";
import { parsePort } from "./args.ts";
import { Failure, type Problem, usageError } from "./failure.ts";
import { parseRegistryUrl } from "./flags.ts";

/** The flags of InfiniLM's babysitters, as they were given, and ours. */
export interface BabysitFlags {
  readonly name?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly command?: string | undefined;
  readonly "registry-url"?: readonly string[] | undefined;
  readonly "config-file"?: string | undefined;
  readonly bind?: string | undefined;
  readonly token?: string | undefined;
  /** Those that say what to run. */
  readonly [flag: string]: string | boolean | readonly string[] | undefined;
}

/** What there is to babysit, as the plugin takes it. */
export interface Babysat {
  readonly backends: readonly Backend[];
  readonly registry?: { readonly url: readonly string[]; readonly heartbeat: number } | undefined;
  readonly problems: readonly Problem[];
  /** What is not as it was told, and why. */
  readonly notes: readonly string[];
}

export interface Backend {
  readonly name: string;
  readonly host?: string;
  readonly port?: number;
  readonly command: readonly [string, ...string[]];
  readonly type?: string;
}

interface Readers {
  readonly flagsToBackend: (flags: object, rest: readonly string[] | undefined) => Babysat;
  readonly readBabysitToml: (text: string, options: { readonly file: string; readonly overrides: object }) => Babysat;
}

/** Those that do not count beside a file, as in InfiniLM. */
const saidByFile = [
  "service-type",
  "path",
  "command",
  "args",
  "work-dir",
  "env",
  "weight",
  "max-restarts",
  "restart-delay",
  "heartbeat-interval",
  "dev",
  "ndev",
  "max-batch",
  "max-tokens",
  "awq",
  "request-timeout",
  "max-concurrency",
  "launch-script",
];

/** @throws Failure with all that is wrong */
export async function findBackend(flags: BabysitFlags, rest: readonly string[] | undefined): Promise<Babysat> {
  const { "config-file": file } = flags;
  const readers = await importReaders();
  if (file !== undefined) return fromFile(readers, { file, flags, rest });
  if (rest !== undefined && flags.command !== undefined)
    throw usageError("there is a command behind --command and another behind --", "pass one of them");
  return refuse(readers.flagsToBackend(flags, rest), "the command line");
}

/** Core depends on no plugin, so they are looked up when the program runs. */
async function importReaders(): Promise<Readers> {
  const paths = ["plugins/fleet/_babysit-toml", "plugins/fleet/_babysit-toml-flags"];
  const found = await Promise.all(
    paths.map((path): Promise<object> => import(new URL(`../../${path}${extension}`, import.meta.url).href)),
  );
  return Object.assign({}, ...found) as Readers;
}

interface FromFile {
  readonly file: string;
  readonly flags: BabysitFlags;
  readonly rest: readonly string[] | undefined;
}

/** The few flags count that do so in InfiniLM; of the others it is told that they do not. */
function fromFile({ readBabysitToml }: Readers, { file, flags, rest }: FromFile): Babysat {
  if (rest !== undefined) throw usageError("a command behind -- goes without --config-file", "drop one of them");
  const { name, port, host, bind, "registry-url": urls = [] } = flags;
  const overrides = {
    name,
    bind,
    port: port === undefined ? undefined : parsePort(port, "--port"),
    host: host === "localhost" ? undefined : host,
    registryUrl: urls.length === 0 ? undefined : urls.map(parseRegistryUrl),
  };
  const found = refuse(readBabysitToml(readText(file), { file, overrides }), file);
  const ignored = saidByFile.filter((flag) => isGiven(flags[flag]));
  if (ignored.length === 0) return found;
  const note = `beside ${file} these flags do not count: ${ignored.map((flag) => `--${flag}`).join(", ")}`;
  return { ...found, notes: [...found.notes, note] };
}

function isGiven(value: BabysitFlags[string]): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw usageError(`--config-file ${file} cannot be read: ${code}`, "name a TOML file");
  }
}

function refuse(found: Babysat, origin: string): Babysat {
  const { problems } = found;
  if (problems.length === 0) return found;
  const count = problems.length === 1 ? "one problem" : `${problems.length} problems`;
  throw new Failure(2, `${origin} has ${count}`, { problems });
}
