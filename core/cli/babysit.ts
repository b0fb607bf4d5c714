import { readFileSync } from "node:fs";
import { consola } from "consola";
import type { Proxy } from "../contract/proxy.ts";
import type { Plugin } from "../plugin.ts";
import { parsePort } from "./args.ts";
import { Failure, type Problem, usageError } from "./failure.ts";
import { checkRegistryUrl, readToken } from "./registry-access.ts";
import { importOwn, type Readiness, runPlugins } from "./run-plugins.ts";
import { applyRustLog } from "./rust-log.ts";

/** The flags of InfiniLM's babysitters, as they were given, and ours. */
export interface BabysitFlags {
  readonly name?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly "registry-url"?: readonly string[] | undefined;
  readonly "config-file"?: string | undefined;
  readonly bind?: string | undefined;
  readonly token?: string | undefined;
  readonly [flag: string]: string | boolean | readonly string[] | undefined;
}

/** One backend, as the plugin `babysitter` takes it. */
interface Backend {
  readonly name: string;
  readonly host?: string;
  readonly port?: number;
  readonly command: readonly [string, ...string[]];
  readonly type?: string;
}

interface Babysat {
  readonly backends: readonly Backend[];
  readonly registry?: { readonly url: readonly string[]; readonly heartbeat: number } | undefined;
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
}

type Registry = NonNullable<Babysat["registry"]> & { readonly token?: string };

interface Fleet {
  readonly babysitter: (options: { readonly backends: readonly Backend[]; readonly registry?: Registry }) => Plugin;
  readonly flagsToBackend: (flags: object, rest: readonly string[] | undefined) => Babysat;
  readonly readBabysitToml: (text: string, options: { readonly file: string; readonly overrides: object }) => Babysat;
}

/** Those that count beside a file, as in InfiniLM; `router-url` means nothing in either. */
const besideFile = new Set(["name", "host", "port", "registry-url", "router-url", "config-file", "bind", "token"]);

/** Runs a backend in the place of InfiniLM's babysitter, and goes on until a signal ends the process. */
export async function babysit(
  { json, ...flags }: BabysitFlags & { readonly json: boolean },
  rest: readonly string[] | undefined,
): Promise<void> {
  applyRustLog();
  const fleet = await importFleet();
  const found = flags["config-file"] === undefined ? fromFlags(fleet, flags, rest) : fromFile(fleet, flags, rest);
  const [backend] = found.backends;
  if (backend === undefined) throw new Error("there is nothing to run");
  const token = readToken(flags.token, 1);
  const registry = found.registry && { ...found.registry, ...(token !== undefined && { token }) };
  await runPlugins({
    json,
    plugins: () => Promise.resolve([fleet.babysitter({ backends: [backend], ...(registry && { registry }) })]),
    ready(proxy) {
      for (const text of found.notes) consola.warn(text);
      return describe(backend, portOf(proxy, backend), registry?.url);
    },
  });
}

async function importFleet(): Promise<Fleet> {
  const paths = ["plugins/fleet/babysitter", "plugins/fleet/_babysit-toml", "plugins/fleet/_babysit-toml-flags"];
  return Object.assign({}, ...(await Promise.all(paths.map(importOwn)))) as Fleet;
}

function fromFlags(fleet: Fleet, flags: BabysitFlags, rest: readonly string[] | undefined): Babysat {
  if (rest !== undefined && flags.command !== undefined)
    throw usageError("there is a command behind --command and one behind --", "pass one of them");
  const found = fleet.flagsToBackend(flags, rest);
  return refuse(found, "what was passed");
}

/** The few flags count that do so in the original; the others are told of. */
function fromFile(fleet: Fleet, flags: BabysitFlags, rest: readonly string[] | undefined): Babysat {
  const { name, port, host, bind, "registry-url": registryUrl = [], "config-file": file = "" } = flags;
  if (rest !== undefined) throw usageError("a command behind -- goes without --config-file", "drop one of them");
  const ignored = Object.entries(flags).flatMap(([flag, value]) =>
    besideFile.has(flag) || value === undefined || (Array.isArray(value) && value.length === 0) ? [] : [`--${flag}`],
  );
  const overrides = {
    name,
    bind,
    port: port === undefined ? undefined : parsePort(port, "--port"),
    host: host === "localhost" ? undefined : host,
    registryUrl: registryUrl.length === 0 ? undefined : registryUrl.map(checkRegistryUrl),
  };
  const found = refuse(fleet.readBabysitToml(readText(file), { file, overrides }), file);
  if (ignored.length === 0) return found;
  const note = `${file} says it all: ${ignored.join(", ")} ${ignored.length === 1 ? "does" : "do"} not count beside it`;
  return { ...found, notes: [...found.notes, note] };
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

/** Chosen when it started, if it was left open. */
function portOf(proxy: Proxy, { name, port = 0 }: Backend): number {
  const targets = proxy.pools().flatMap(({ snapshot }) => snapshot.all);
  const target = targets.find(({ id }) => id === name);
  return target === undefined ? port : Number(new URL(target.origin).port);
}

function describe(backend: Backend, port: number, registry: readonly string[] | undefined): Readiness {
  const { name, host = "localhost", type = "command", command } = backend;
  const at = (of: number): string => `http://${host.includes(":") ? `[${host}]` : host}:${of}`;
  return {
    title: `babysitting ${name}`,
    urls: [at(port)],
    rows: [
      // Not its arguments, among which secrets may be.
      ["runs", `${command[0]} (${type})`],
      ["control", `${at(port + 1)}/health`],
      ["registry", registry?.join(", ") ?? "none: nobody is told of it"],
    ],
    fields: { name, port, control: at(port + 1), registry: registry ?? null },
  };
}
