import * as v from "valibot";
import { definePlugin, type HookMap, type Plugin } from "../../core/index.ts";
import type { RegistrySettings } from "./_backend-fleet.ts";
import { type Backend, type BackendOptions, backendSchema } from "./_backend-options.ts";

export type { BackendOptions, OnDemandOptions, ReadyOptions, RestartOptions, StopOptions } from "./_backend-options.ts";

export interface BabysitterRegistry {
  /** Of the registry, such as `http://127.0.0.1:18000`; of several that answer for each other, all. */
  url: string | readonly string[];
  /** What the registry asks of those who write. */
  token?: string;
  /** Milliseconds between two heartbeats of a service. @default 30000 */
  heartbeat?: number;
  /** Milliseconds without a heartbeat after which it counts as gone. @default 3 heartbeats, at least 10 s */
  lease?: number;
}

export interface BabysitterOptions {
  /** What to run. */
  backends?: readonly BackendOptions[];
  /** Files in the format of InfiniLM's babysitter, for a backend each. */
  toml?: string | readonly string[];
  /** Where the backends are registered. @default nowhere */
  registry?: BabysitterRegistry;
  /** The pool whose targets they are; false: none. @default "default" */
  pool?: string | false;
  /** Whether what they write goes to the log, at most 100 lines a second of each. @default "log" */
  output?: "log" | "none";
  /** Milliseconds; only differences count. @default performance.now */
  now?: () => number;
  /** A number in [0, 1). @default that of the proxy */
  random?: () => number;
}

export interface BabysitterSettings {
  readonly backends: readonly Backend[];
  readonly toml: readonly string[];
  readonly registry?: RegistrySettings | undefined;
  readonly pool: string | false;
  readonly output: "log" | "none";
  readonly now: () => number;
  readonly random?: (() => number) | undefined;
}

const milliseconds = v.pipe(
  v.number(),
  v.integer("Expected whole milliseconds"),
  v.minValue(1, "Expected 1 or more"),
  v.maxValue(2 ** 31 - 1, `Expected ${2 ** 31 - 1} milliseconds at most`),
);
const text = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));
const url = v.pipe(
  v.string(),
  v.regex(/^https?:\/\/[^/?#@\s]+(?:\/[^?#\s]*)?$/i, "Expected a URL such as http://127.0.0.1:18000"),
);
const files = v.union([text, v.array(text)], "Expected the path of a TOML file, or a list of such");
const source = v.custom<() => number>((value) => typeof value === "function", "Expected a function");

const registry: v.GenericSchema<BabysitterRegistry, RegistrySettings> = v.strictObject({
  url: v.pipe(
    v.union([url, v.pipe(v.array(url), v.minLength(1, "Expected one URL or more"))]),
    v.transform((given): readonly string[] => (typeof given === "string" ? [given] : given)),
  ),
  token: v.optional(text),
  heartbeat: v.optional(milliseconds, 30_000),
  lease: v.optional(milliseconds),
} satisfies Record<keyof BabysitterRegistry, unknown>);

const schema: v.GenericSchema<BabysitterOptions, BabysitterSettings> = v.pipe(
  v.strictObject({
    backends: v.optional(v.array(backendSchema), []),
    toml: v.optional(
      v.pipe(
        files,
        v.transform((given): readonly string[] => (typeof given === "string" ? [given] : given)),
      ),
      [],
    ),
    registry: v.optional(registry),
    pool: v.optional(v.union([text, v.literal(false)], "Expected the name of a pool, or false"), "default"),
    output: v.optional(v.picklist(["log", "none"], 'Expected "log" or "none"'), "log"),
    now: v.optional(source, () => () => performance.now()),
    random: v.optional(source),
  } satisfies Record<keyof BabysitterOptions, unknown>),
  v.check(
    ({ backends, toml }) => backends.length + toml.length > 0,
    "Expected backends or toml: there is nothing to run",
  ),
  v.check(
    ({ backends, pool }) => pool !== false || backends.every(({ onDemand }) => onDemand === false),
    "A backend on demand needs a pool: only the requests of this proxy start it",
  ),
);

/**
 * Starts backend processes, keeps them running and adds them as targets.
 *
 * A backend is a target once it answers `/v1/models`, `/models` or `/health`, with the models it lists; while it loads,
 * hangs, crashes or waits for its next start, requests go elsewhere. It is started again when it ends, however that
 * came, after a pause that doubles. Stopping means SIGTERM and then SIGKILL for its whole process group. A reload of the
 * config leaves processes alone whose program, arguments, environment and ports are the same; others are ended with
 * SIGTERM and started anew. With `onDemand` the first request starts it and waits. With a registry it registers as the
 * babysitter of InfiniLM does, and takes that back before it stops the process. For programs on this machine, on Linux
 * and macOS; not for containers, which have a restart policy of their own.
 *
 * @example
 * babysitter({
 *   backends: [
 *     { name: "qwen", port: 8100, command: ["vllm", "serve", "Qwen/Qwen3-8B", "--port", "{port}"] },
 *     { name: "rare", models: ["rare-1b"], onDemand: { idle: 600_000 }, command: ["llama-server", "--port", "{port}"] },
 *   ],
 *   registry: { url: "http://127.0.0.1:18000" },
 * });
 */
export const babysitter: (options?: BabysitterOptions) => Plugin = definePlugin({
  name: "babysitter",
  options: schema,
  multiple: true,
  async setup(proxy, options): Promise<HookMap> {
    // Most configs run nothing, and what runs processes is not for them to load.
    const { babysit } = await import("./_babysit.ts");
    return babysit(proxy, options);
  },
});
