import * as v from "valibot";
import { type Engine, toCommand, typeNames } from "./_babysit-toml-engine.ts";
import { type BackendOptions, backendSchema } from "./_backend-options.ts";

/** What a babysitter of InfiniLM is told, by a file or by flags; durations in milliseconds. */
export interface BabysitSettings {
  readonly engine: Engine;
  /** What it is told to be. @default the engine's own */
  readonly type?: string | undefined;
  readonly name?: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly weight?: number | undefined;
  readonly maxRestarts: number;
  readonly restartDelay: number;
  /** @default "0.0.0.0", as the routers of InfiniLM ask the babysitter how its engine is */
  readonly bind?: string | undefined;
}

export interface BabysitBackend {
  readonly options: BackendOptions;
  /** What is wrong, by the path in the options. */
  readonly issues: readonly { readonly path: readonly string[]; readonly message: string }[];
  /** What is not as it was told, and why. */
  readonly notes: readonly string[];
}

const anywhere: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1" };

export function toBackend(settings: BabysitSettings): BabysitBackend {
  const { engine, port, cwd, env, metadata, weight, maxRestarts, restartDelay, bind = "0.0.0.0" } = settings;
  const type = settings.type ?? typeNames[engine.type];
  const name = settings.name ?? `${type.toLowerCase().replaceAll(" ", "-")}-${port}`;
  const host = anywhere[settings.host] ?? settings.host;
  const options: BackendOptions = {
    name,
    command: toCommand(engine, { name, host: settings.host }) as readonly [string, ...string[]],
    ...(cwd !== undefined && { cwd }),
    env,
    host,
    port,
    controlHost: bind,
    type,
    metadata,
    ...(weight !== undefined && { weight }),
    ...(engine.type === "mock" && { models: engine.models }),
    // The original's delay is always the same, so its longest may be above the longest here.
    restart: { max: maxRestarts, delay: restartDelay, maxDelay: Math.max(60_000, restartDelay) },
  };
  const { issues = [] } = v.safeParse(backendSchema, options);
  return {
    options,
    issues: issues.map(toIssue),
    notes: host === settings.host ? [] : [advise(name, settings.host, host)],
  };
}

function toIssue({ path, message }: v.BaseIssue<unknown>): BabysitBackend["issues"][number] {
  return { path: (path ?? []).map(({ key }) => String(key)), message };
}

/** Routers would connect to themselves, and a registry refuses it. */
function advise(name: string, given: string, host: string): string {
  return `${name} is told to others as ${host}, as they cannot reach ${given}; set the host to this machine's address`;
}
