import * as v from "valibot";
import { definePlugin, type Plugin } from "../../core/index.ts";
import {
  command,
  counted,
  environment,
  hostName,
  milliseconds,
  restart,
  type RestartOptions,
  some,
  type StopOptions,
  whole,
} from "./_backend-options.ts";

export type { RestartOptions, StopOptions } from "./_backend-options.ts";

export interface InferenceControlOptions {
  /** Comes before each path but those of `health`. @default "/api/v1" */
  prefix?: string;
  /** The pool whose targets the instances are. @default "default" */
  pool?: string;
  /**
   * Program and arguments of an instance, started without a shell; `{model}`, `{dtype}`, `{host}` and `{port}` are filled
   * in, and what the request adds comes behind. @default vllm serve {model} --dtype {dtype} --host {host} --port {port}
   */
  command?: readonly [string, ...string[]];
  /** Added to the environment of the proxy. Never shown. */
  env?: Readonly<Record<string, string>>;
  /** Where the instances listen. @default "127.0.0.1" */
  host?: string;
  /** The first instance has the port after it, the second the next; 0: any free ones. @default 5000 */
  port?: number;
  /**
   * Devices to share out, numbered from 0. `"auto"`: those of CUDA_VISIBLE_DEVICES where that is set, else those that
   * nvidia-smi lists; none: one instance, which is told nothing of devices. @default "auto"
   */
  gpus?: number | "auto";
  /** @default 128 */
  maxInstances?: number;
  /** Milliseconds between the starts of two instances. @default 5000 */
  stagger?: number;
  ready?: InferenceReadyOptions;
  /** Of an instance that ends after the start is over. */
  backoff?: RestartOptions;
  /** @default { signal: "SIGTERM", grace: 20000 } */
  stop?: StopOptions;
  /** Milliseconds that the requests under way get when `down` comes, before the processes are ended. @default 0 */
  drain?: number;
  /** An `up` while it runs stops it first, in place of 409. @default false */
  restart?: boolean;
  /** Whether what the instances write goes to the log, at most 100 lines a second of each. @default "log" */
  output?: "log" | "none";
  /** Who may use it without a token; `"any"` is whoever reaches the proxy. @default "loopback" */
  clients?: "loopback" | "any";
  /** What everyone needs, as `Authorization: Bearer TOKEN`, in place of `clients`; 16 characters or more. @default none */
  token?: string;
  /** Answers /health, /livez and /readyz too, to everyone. @default false */
  health?: boolean;
}

/** Durations are milliseconds. */
export interface InferenceReadyOptions {
  /** Longest pause between two looks at /health while an instance starts; the first is 100. @default 3000 */
  interval?: number;
  /** Until one instance must answer, else all are stopped. @default 1200000 */
  deadline?: number;
  /** Between two looks once it is ready. @default 5000 */
  check?: number;
  /** Failed looks in a row after which it takes no requests. @default 3 */
  fall?: number;
  /** A look may take. @default 2000 */
  timeout?: number;
}

export interface InferenceSettings {
  readonly prefix: string;
  readonly pool: string;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly host: string;
  readonly port: number;
  readonly gpus: number | "auto";
  readonly maxInstances: number;
  readonly stagger: number;
  readonly ready: Readonly<Required<InferenceReadyOptions>>;
  readonly backoff: Readonly<Required<RestartOptions>>;
  readonly stop: Readonly<Required<StopOptions>>;
  readonly drain: number;
  readonly restart: boolean;
  readonly output: "log" | "none";
  readonly clients: "loopback" | "any";
  readonly token?: string | undefined;
  readonly health: boolean;
}

const vllm = ["vllm", "serve", "{model}", "--dtype", "{dtype}", "--host", "{host}", "--port", "{port}"] as const;

const ready: v.GenericSchema<InferenceReadyOptions, Required<InferenceReadyOptions>> = v.strictObject({
  interval: v.optional(some, 3_000),
  deadline: v.optional(some, 1_200_000),
  check: v.optional(some, 5_000),
  fall: v.optional(counted, 3),
  timeout: v.optional(some, 2_000),
} satisfies Record<keyof InferenceReadyOptions, unknown>);

const stop: v.GenericSchema<StopOptions, Required<StopOptions>> = v.strictObject({
  grace: v.optional(milliseconds, 20_000),
  signal: v.optional(v.picklist(["SIGTERM", "SIGINT"], 'Expected "SIGTERM" or "SIGINT"'), "SIGTERM"),
} satisfies Record<keyof StopOptions, unknown>);

const schema: v.GenericSchema<InferenceControlOptions, InferenceSettings> = v.pipe(
  v.strictObject({
    prefix: v.optional(
      v.pipe(v.string(), v.regex(/^(\/[^/\s?#:*]+)*$/, "Expected a path such as /api/v1, or none")),
      "/api/v1",
    ),
    pool: v.optional(v.pipe(v.string(), v.nonEmpty("Expected the name of a pool")), "default"),
    command: v.optional(command, [...vllm]),
    env: v.optional(environment, {}),
    host: v.optional(hostName, "127.0.0.1"),
    port: v.optional(v.pipe(whole, v.maxValue(65_534, "Expected a port of 0 to 65534")), 5_000),
    gpus: v.optional(
      v.union([v.literal("auto"), v.pipe(whole, v.maxValue(4_096))], 'Expected a number of devices, or "auto"'),
      "auto",
    ),
    maxInstances: v.optional(v.pipe(counted, v.maxValue(4_096, "Expected 4096 or less")), 128),
    stagger: v.optional(milliseconds, 5_000),
    ready: v.optional(ready, {}),
    backoff: v.optional(restart, {}),
    stop: v.optional(stop, {}),
    drain: v.optional(milliseconds, 0),
    restart: v.optional(v.boolean("Expected true or false"), false),
    output: v.optional(v.picklist(["log", "none"], 'Expected "log" or "none"'), "log"),
    clients: v.optional(v.picklist(["loopback", "any"], 'Expected "loopback" or "any"'), "loopback"),
    token: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^[\x21-\x7e]+$/, "Expected letters, digits and signs without spaces"),
        v.minLength(16, "Expected 16 characters or more, such as those of: openssl rand -hex 32"),
      ),
    ),
    health: v.optional(v.boolean("Expected true or false"), false),
  } satisfies Record<keyof InferenceControlOptions, unknown>),
  v.check(
    ({ port, maxInstances }) => port === 0 || port + maxInstances <= 65_535,
    "There are not as many ports after port as maxInstances says",
  ),
);

/**
 * Starts and stops vLLM, or what stands in for it, as HTTP requests say.
 *
 * The API of gonka's MLNode: `POST /api/v1/inference/up` with `{"model", "dtype", "additional_args"}` starts as many
 * instances as the devices allow (devices / (tensor x pipeline parallel size)), each with its share of them in
 * CUDA_VISIBLE_DEVICES, and answers when the first is ready; 422 names fields that are wrong, 409 says that it runs or
 * starts already, 500 that an engine ended, 504 that the deadline passed, and then nothing is left. A client that leaves
 * does not stop a start; `POST .../inference/down` does. `POST .../inference/up/async`, `GET .../inference/up/status`,
 * `POST .../stop` and `GET .../state` go with it.
 *
 * An instance is a target once its /health answers 200, and is started again when it ends. A reload of the config leaves
 * all of it alone: what changes in the options counts from the next `up`, except pool, prefix, drain and who may use it.
 * When the proxy stops, the instances do; what ran is not started again with it, and what a killed proxy left behind is
 * ended. Nothing here ends the proxy itself when all instances fail: that is for whoever looks at `health`. The request
 * chooses a model and arguments of a program that runs with the rights of the proxy, so keep the circle of those who may
 * ask small. For backends that the config names use the babysitter.
 *
 * @example
 * inferenceControl({ stop: { signal: "SIGINT" }, drain: 30_000, token: env("CONTROL_TOKEN") });
 */
export const inferenceControl: (options?: InferenceControlOptions) => Plugin = definePlugin({
  name: "inference-control",
  options: schema,
  async setup(proxy, settings) {
    // Most configs start nothing, and what runs processes is not for them to load.
    const { serveInference } = await import("./_inference-serve.ts");
    serveInference(proxy, settings);
  },
});
