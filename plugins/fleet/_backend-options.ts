import * as v from "valibot";

/** A backend process: how it is started, and what is said of it. */
export interface BackendOptions {
  /** Letters, digits and `_ . : @ + -`, 120 at most; the registry knows it as `NAME` and `NAME-server`. */
  name: string;
  /** Program and arguments, started without a shell; `{port}` and `{host}` in them are replaced. */
  command: readonly [string, ...string[]];
  /** @default that of the proxy */
  cwd?: string;
  /** Added to the environment of the proxy; `PORT` is set too. Never shown. */
  env?: Readonly<Record<string, string>>;
  /** Where others reach it; it is probed at 127.0.0.1 unless this is another address. @default "localhost" */
  host?: string;
  /** 0: a free one is chosen when the proxy starts. @default 0 */
  port?: number;
  /** Port of its own /health, /models and /info; false: none. @default port + 1 */
  control?: number | false;
  /** Address that port is bound to. @default "127.0.0.1" */
  controlHost?: string;
  /** What kind of service it is, as shown: vLLM, InfiniLM. @default "command" */
  type?: string;
  /** Told to the registry, over what is told anyway; `meta` of its target. */
  metadata?: Readonly<Record<string, unknown>>;
  /** Share of the traffic, relative to others. @default 1 */
  weight?: number;
  /** Models known before it runs: those a request may start it for. @default what it lists once it is up */
  models?: readonly string[];
  ready?: ReadyOptions;
  restart?: RestartOptions;
  stop?: StopOptions;
  /** Started by the first request that needs it, and stopped when none came for a while. @default false */
  onDemand?: boolean | OnDemandOptions;
}

/** Durations are milliseconds. */
export interface ReadyOptions {
  /** Longest pause between two probes while it starts; the first is 100. @default 1000 */
  interval?: number;
  /** Until it must answer, else it is killed and started again; 0: no limit. @default 0 */
  timeout?: number;
  /** Between two checks once it is ready. @default 5000 */
  check?: number;
  /** Failed checks in a row after which it counts as not ready. @default 3 */
  fall?: number;
}

export interface RestartOptions {
  /** Restarts in all until it is given up. @default 10000 */
  max?: number;
  /** Milliseconds before the first; doubled by each in a row. @default 5000 */
  delay?: number;
  /** @default 60000 */
  maxDelay?: number;
  /** Milliseconds of being ready after which the next delay is the first again. @default 60000 */
  reset?: number;
  /** 0..1: the share of the delay by which it is moved at random. @default 0.2 */
  jitter?: number;
}

export interface StopOptions {
  /** Milliseconds between that signal and SIGKILL, both to its whole process group. @default 10000 */
  grace?: number;
  /** What asks it to end. @default "SIGTERM" */
  signal?: "SIGTERM" | "SIGINT";
}

export interface OnDemandOptions {
  /** Milliseconds without a request after which it is stopped. @default 300000 */
  idle?: number;
  /** Requests that may wait for it at once. @default 64 */
  queue?: number;
  /** Milliseconds a request waits for it at most. @default 60000 */
  wait?: number;
}

/** Backend options with their defaults. */
export interface Backend {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly host: string;
  readonly port: number;
  readonly control?: number | false | undefined;
  readonly controlHost: string;
  readonly type: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly weight?: number | undefined;
  readonly models?: readonly string[] | undefined;
  readonly ready: Readonly<Required<ReadyOptions>>;
  readonly restart: Readonly<Required<RestartOptions>>;
  readonly stop: Readonly<Required<StopOptions>>;
  readonly onDemand: false | Readonly<Required<OnDemandOptions>>;
}

const longest = 2 ** 31 - 1;
export const whole: v.GenericSchema<number> = v.pipe(
  v.number(),
  v.integer("Expected a whole number"),
  v.minValue(0, "Expected 0 or more"),
);
export const counted: v.GenericSchema<number> = v.pipe(whole, v.minValue(1, "Expected 1 or more"));
/** Node's own timers take more than 24 days for none at all. */
export const milliseconds: v.GenericSchema<number> = v.pipe(
  whole,
  v.maxValue(longest, `Expected ${longest} milliseconds at most`),
);
export const some: v.GenericSchema<number> = v.pipe(
  counted,
  v.maxValue(longest, `Expected ${longest} milliseconds at most`),
);
const portNumber = v.pipe(whole, v.maxValue(65_535, "Expected a port of 0 to 65535"));
const word = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));
/** What no operating system can pass on. */
const passable = v.pipe(v.string(), v.regex(/^[^\0]*$/, "Expected text without NUL characters"));

const name = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][\w.:@+-]{0,119}$/,
    "Expected 1 to 120 letters, digits and _ . : @ + -, the first a letter or a digit",
  ),
);

export const hostName: v.GenericSchema<string> = v.pipe(
  v.string(),
  v.regex(/^[\w.:-]{1,253}$/, "Expected a host name or an address, such as 10.0.0.7, without scheme and port"),
);

export const command: v.GenericSchema<readonly [string, ...string[]]> = v.pipe(
  v.tupleWithRest([v.pipe(passable, v.nonEmpty("Expected a program"))], passable),
  v.readonly(),
);

export const environment: v.GenericSchema<Record<string, string>> = v.record(
  v.pipe(v.string(), v.regex(/^[^=\0]+$/, "Expected the name of a variable")),
  passable,
);

const ready: v.GenericSchema<ReadyOptions, Required<ReadyOptions>> = v.strictObject({
  interval: v.optional(some, 1_000),
  timeout: v.optional(milliseconds, 0),
  check: v.optional(some, 5_000),
  fall: v.optional(counted, 3),
} satisfies Record<keyof ReadyOptions, unknown>);

export const restart: v.GenericSchema<RestartOptions, Required<RestartOptions>> = v.strictObject({
  max: v.optional(whole, 10_000),
  delay: v.optional(milliseconds, 5_000),
  maxDelay: v.optional(milliseconds, 60_000),
  reset: v.optional(milliseconds, 60_000),
  jitter: v.optional(v.pipe(v.number(), v.minValue(0, "Expected 0 to 1"), v.maxValue(1, "Expected 0 to 1")), 0.2),
} satisfies Record<keyof RestartOptions, unknown>);

const stop: v.GenericSchema<StopOptions, Required<StopOptions>> = v.strictObject({
  grace: v.optional(milliseconds, 10_000),
  signal: v.optional(v.picklist(["SIGTERM", "SIGINT"], 'Expected "SIGTERM" or "SIGINT"'), "SIGTERM"),
} satisfies Record<keyof StopOptions, unknown>);

const demand: v.GenericSchema<OnDemandOptions, Required<OnDemandOptions>> = v.strictObject({
  idle: v.optional(some, 300_000),
  queue: v.optional(whole, 64),
  wait: v.optional(some, 60_000),
} satisfies Record<keyof OnDemandOptions, unknown>);

const onDemand: v.GenericSchema<boolean | OnDemandOptions, false | Required<OnDemandOptions>> = v.pipe(
  v.union([v.boolean(), demand], "Expected true, false or { idle, queue, wait }"),
  v.transform((value) => (value === true ? v.parse(demand, {}) : value)),
);

/** Checks the options of one backend and fills in their defaults. */
export const backendSchema: v.GenericSchema<BackendOptions, Backend> = v.pipe(
  v.strictObject({
    name,
    command,
    cwd: v.optional(v.pipe(passable, v.nonEmpty("Expected a directory"))),
    env: v.optional(environment, {}),
    host: v.optional(hostName, "localhost"),
    port: v.optional(portNumber, 0),
    control: v.optional(
      v.union([v.literal(false), v.pipe(portNumber, v.minValue(1, "Expected a port of 1 to 65535"))]),
    ),
    controlHost: v.optional(hostName, "127.0.0.1"),
    type: v.optional(word, "command"),
    metadata: v.optional(v.record(v.string(), v.unknown()), {}),
    weight: v.optional(
      v.pipe(v.number(), v.minValue(0, "Expected 0 or more"), v.maxValue(1e6, "Expected 1000000 or less")),
    ),
    models: v.optional(v.array(word)),
    ready: v.optional(ready, {}),
    restart: v.optional(restart, {}),
    stop: v.optional(stop, {}),
    onDemand: v.optional(onDemand, false),
  } satisfies Record<keyof BackendOptions, unknown>),
  v.check(
    ({ port, control }) => port !== 65_535 || control !== undefined,
    "Port 65535 has none after it for /health; give control a port, or false",
  ),
  v.check(({ port, control }) => port === 0 || control !== port, "control must be another port than port"),
);
