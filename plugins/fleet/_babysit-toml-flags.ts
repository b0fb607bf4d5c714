import { dirname, resolve } from "node:path";
import * as v from "valibot";
import type { Babysat, BabysitProblem } from "./_babysit-toml.ts";
import { toBackend } from "./_babysit-toml-backend.ts";
import { type Engine, toEngine, typeNames } from "./_babysit-toml-engine.ts";
import { toFault } from "./_babysit-toml-faults.ts";
import { checkUrl, openQuote, toNumber, toType, toVariables, toWords } from "./_babysit-toml-flag-values.ts";
import { type BabysitFile, fileSchema } from "./_babysit-toml-schema.ts";
import type { OpenQuote } from "./_babysit-toml-words.ts";

/** The flags of InfiniLM's babysitters, by their names and as they were given; durations in seconds. */
export interface BabysitFlags {
  readonly name?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly "service-type"?: string | undefined;
  readonly path?: string | undefined;
  readonly command?: string | undefined;
  readonly args?: string | undefined;
  readonly "work-dir"?: string | undefined;
  /** `NAME=value`, several to a text too. */
  readonly env?: readonly string[] | undefined;
  readonly "registry-url"?: readonly string[] | undefined;
  readonly "max-restarts"?: string | undefined;
  readonly "restart-delay"?: string | undefined;
  readonly "heartbeat-interval"?: string | undefined;
  readonly weight?: string | undefined;
  readonly dev?: string | undefined;
  readonly ndev?: string | undefined;
  readonly "max-batch"?: string | undefined;
  readonly "max-tokens"?: string | undefined;
  readonly awq?: boolean | undefined;
  readonly "request-timeout"?: string | undefined;
  readonly "max-concurrency"?: string | undefined;
  readonly "launch-script"?: string | undefined;
  readonly bind?: string | undefined;
}

/** They are passed on to InfiniLM's launch script as they are. */
const passed = ["dev", "ndev", "max-batch", "max-tokens", "request-timeout", "max-concurrency"] as const;

/** The flags that say what a file says at these places. */
const flagsOf: Readonly<Record<string, string>> = {
  "babysitter.max_restarts": "--max-restarts",
  "babysitter.restart_delay": "--restart-delay",
  "babysitter.heartbeat_interval": "--heartbeat-interval",
  "backend.command": "--command",
  "backend.model": "--path",
  "backend.model_path": "--path",
  "backend.config_file": "--path",
  "backend.models": "--args",
  command: "--command",
  controlHost: "--bind",
  cwd: "--work-dir",
};

/**
 * What the flags of InfiniLM's babysitter ask for. `--args` and `--command` are split at spaces, but for quotes; `rest` is a
 * command whose words are taken as they are.
 */
export function flagsToBackend(flags: BabysitFlags, rest?: readonly string[]): Babysat {
  const problems: BabysitProblem[] = [];
  const args = toWords(flags.args, "--args", problems);
  const env = toVariables(flags.env ?? [], problems);
  const type = toType(flags["service-type"] ?? "command", problems);
  problems.push(...(flags["registry-url"] ?? []).flatMap(checkUrl));
  const table = toTable(flags, toEngineTable(flags, type ?? "mock", args, rest));
  const { success, output, issues = [] } = v.safeParse(fileSchema, table);
  problems.push(...issues.map(toProblem));
  if (!success || type === undefined) return refuse(problems);
  const engine = engineOf(output.backend, { args, rest, script: flags["launch-script"] });
  if ("quote" in engine) return refuse([...problems, openQuote("--command", engine.quote)]);
  return finish({ flags, file: output, engine, type: typeNames[type], env }, problems);
}

interface Read {
  readonly flags: BabysitFlags;
  readonly file: BabysitFile;
  readonly engine: Engine;
  readonly type: string;
  readonly env: Readonly<Record<string, string>>;
}

function finish({ flags, file, engine, type, env }: Read, problems: readonly BabysitProblem[]): Babysat {
  const { max_restarts: maxRestarts, restart_delay: restartDelay, heartbeat_interval: heartbeat } = file.babysitter;
  const cwd = flags["work-dir"] ?? besideScript(flags["launch-script"]);
  const { bind } = flags;
  const { options, issues, notes } = toBackend({ ...file, engine, type, cwd, env, maxRestarts, restartDelay, bind });
  const all = [...problems, ...issues.map(({ path, message }) => ({ path: flagOf(path), message }))];
  if (all.length > 0) return refuse(all);
  const url = flags["registry-url"] ?? [];
  return { backends: [options], registry: url.length === 0 ? undefined : { url, heartbeat }, problems: [], notes };
}

interface Given {
  readonly args: readonly string[];
  readonly rest: readonly string[] | undefined;
  readonly script: string | undefined;
}

function engineOf(backend: BabysitFile["backend"], { args, rest, script }: Given): Engine | OpenQuote {
  if (rest !== undefined) return { type: "command", command: rest, args };
  const engine = toEngine(backend);
  if ("quote" in engine || engine.type !== "infinilm" || script === undefined) return engine;
  return { ...engine, script: resolve(script) };
}

function refuse(problems: readonly BabysitProblem[]): Babysat {
  return { backends: [], problems, notes: [] };
}

/** As a file has it. */
function toTable(flags: BabysitFlags, backend: object): object {
  return {
    name: flags.name,
    host: flags.host,
    port: toNumber(flags.port),
    weight: toNumber(flags.weight),
    babysitter: {
      max_restarts: toNumber(flags["max-restarts"]),
      restart_delay: toNumber(flags["restart-delay"]),
      heartbeat_interval: toNumber(flags["heartbeat-interval"]),
    },
    backend,
  };
}

function toEngineTable(
  flags: BabysitFlags,
  type: Engine["type"],
  args: readonly string[],
  rest?: readonly string[],
): object {
  const { path, command } = flags;
  if (rest !== undefined) return { type: "command", command: rest[0] ?? "" };
  if (command !== undefined || type === "command") return { type: "command", command, args };
  if (type === "vllm") return { type, model: path, args };
  if (type === "mock") return { type, models: (flags.args ?? "test-model").split(",") };
  if (type === "infinilm-rust") return { type, config_file: path };
  const given = passed.flatMap((name) => (flags[name] === undefined ? [] : [`--${name}`, flags[name]]));
  return { type, model_path: path, args: [...given, ...(flags.awq === true ? ["--awq"] : []), ...args] };
}

/** The directory that the script expects to be started in. */
function besideScript(script: string | undefined): string | undefined {
  return script === undefined ? undefined : dirname(dirname(resolve(script)));
}

function toProblem(issue: v.BaseIssue<unknown>): BabysitProblem {
  const { path, message, received } = toFault(issue);
  const flag = flagOf(path);
  if (issue.input === undefined) return { path: flag, message: "It is missing", fix: howToPass(flag) };
  return { path: flag, message, ...(received !== undefined && { received }) };
}

function howToPass(flag: string): string {
  if (flag === "--port") return "pass --port 8100, or a file with --config-file";
  return flag === "--command" ? "pass --command, or the command behind --" : `pass ${flag}`;
}

function flagOf(path: readonly string[]): string {
  return flagsOf[path.slice(0, 2).join(".")] ?? flagsOf[path[0] ?? ""] ?? `--${path[0]}`;
}
