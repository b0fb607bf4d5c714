import * as v from "valibot";
import { toBackend } from "./_babysit-toml-backend.ts";
import { toEngine } from "./_babysit-toml-engine.ts";
import { type Fault, toFault } from "./_babysit-toml-faults.ts";
import { findEndless, parseToml } from "./_babysit-toml-parse.ts";
import { findLine } from "./_babysit-toml-place.ts";
import { type BabysitFile, fileSchema } from "./_babysit-toml-schema.ts";
import type { BackendOptions } from "./_backend-options.ts";

export interface BabysitTomlOptions {
  /** As it is named in problems. */
  readonly file: string;
  /** What was given beside the file, and counts before it. */
  readonly overrides?: BabysitOverrides | undefined;
}

export interface BabysitOverrides {
  readonly name?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly registryUrl?: readonly string[] | undefined;
  /** Address of the babysitter's own port. @default "0.0.0.0" */
  readonly bind?: string | undefined;
}

/** One thing that is wrong in a file or in flags. */
export interface BabysitProblem {
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  /** `backend.args.0` */
  readonly path?: string;
  readonly received?: string;
  readonly fix?: string;
}

/** What a babysitter is to run. */
export interface Babysat {
  /** Empty if there is a problem. */
  readonly backends: readonly BackendOptions[];
  readonly registry?: { readonly url: readonly string[]; /** Milliseconds. */ readonly heartbeat: number } | undefined;
  readonly problems: readonly BabysitProblem[];
  /** What is not as it was told, and why: to be logged. */
  readonly notes: readonly string[];
}

/**
 * Reads a file of InfiniLM's babysitter. All that is wrong with it is told at once. Nothing in it goes through a shell, and
 * no value of a variable or an argument is shown.
 */
export function readBabysitToml(text: string, { file, overrides = {} }: BabysitTomlOptions): Babysat {
  const parsed = parseToml(text);
  if ("message" in parsed) return refuse([{ file, ...parsed }]);
  const { name, host, port } = overrides;
  const told = Object.entries({ name, host, port }).filter(([, value]) => value !== undefined);
  const { success, output, issues = [] } = v.safeParse(fileSchema, { ...parsed.table, ...Object.fromEntries(told) });
  const { metadata } = parsed.table;
  const faults = [...issues.map(toFault), ...findEndless(metadata, ["metadata"])];
  const read = success ? readFile(output, overrides, faults) : undefined;
  return read === undefined || faults.length > 0 ? refuse(faults.map((fault) => place(text, file, fault))) : read;
}

/** What is found to be wrong is added to the faults. */
function readFile(output: BabysitFile, { registryUrl, bind }: BabysitOverrides, faults: Fault[]): Babysat | undefined {
  const { babysitter, backend, name, host, port, weight, metadata, registry_url: own } = output;
  const engine = toEngine(backend);
  if ("quote" in engine) {
    faults.push({
      path: ["backend", "command"],
      message: `${engine.quote} is not closed in it`,
      fix: "close the quote",
    });
    return undefined;
  }
  const { options, issues, notes } = toBackend({
    engine,
    name,
    host,
    port,
    weight,
    metadata,
    cwd: "work_dir" in backend ? backend.work_dir : undefined,
    env: "env" in backend ? backend.env : {},
    maxRestarts: babysitter.max_restarts,
    restartDelay: babysitter.restart_delay,
    bind,
  });
  faults.push(...issues.map(({ path, message }) => ({ path: toFilePath(path), message })));
  const url = registryUrl ?? (own === undefined ? [] : [own]);
  const registry = url.length === 0 ? undefined : { url, heartbeat: babysitter.heartbeat_interval };
  return { backends: [options], registry, problems: [], notes };
}

function refuse(problems: readonly BabysitProblem[]): Babysat {
  return { backends: [], problems, notes: [] };
}

function place(text: string, file: string, { path, ...fault }: Fault): BabysitProblem {
  const line = findLine(text, path);
  return { file, ...(line !== undefined && { line }), path: path.join("."), ...fault };
}

const inBackend: Readonly<Record<string, string>> = { command: "command", cwd: "work_dir", env: "env" };

/** Where the file says what became an option. */
function toFilePath([first = "", ...rest]: readonly string[]): readonly string[] {
  const name = inBackend[first];
  return name === undefined ? [first, ...rest] : ["backend", name, ...rest];
}
