import * as v from "valibot";

/** What a file of InfiniLM's babysitter says; durations are milliseconds. `weight` is new in it. */
export interface BabysitFile {
  readonly name?: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly registry_url?: string | undefined;
  readonly router_url?: string | undefined;
  readonly weight?: number | undefined;
  readonly babysitter: {
    readonly max_restarts: number;
    readonly restart_delay: number;
    readonly heartbeat_interval: number;
  };
  readonly backend: BabysitFileBackend;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export type BabysitFileBackend =
  | (Running & { readonly type: "command"; readonly command: string; readonly args: readonly string[] })
  | (Running & { readonly type: "vllm"; readonly model: string; readonly args: readonly string[] })
  | (Running & { readonly type: "infinilm"; readonly model_path: string; readonly args: readonly string[] })
  | { readonly type: "infinilm-rust"; readonly config_file: string; readonly work_dir?: string | undefined }
  | { readonly type: "mock"; readonly models: readonly string[] };

interface Running {
  readonly work_dir?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

const text = v.pipe(v.string("Expected text, in quotes"), v.nonEmpty("Expected a word, not an empty text"));
const program = v.pipe(v.string("Expected text, in quotes"), v.regex(/\S/u, "Expected a program"));
const words = v.array(v.string("Expected text, in quotes"), 'Expected a list, such as ["--port", "8100"]');
const whole = v.pipe(
  v.number("Expected a whole number"),
  v.integer("Expected a whole number"),
  v.minValue(0, "Expected 0 or more"),
);
/** In milliseconds: some 24 days, as long as a timer can be told of. */
const seconds = v.pipe(
  v.number("Expected a number of seconds, such as 5"),
  v.minValue(0, "Expected 0 seconds or more"),
  v.maxValue(2_147_483, "Expected 2147483 seconds at most"),
  v.transform((value) => Math.round(value * 1_000)),
);
const beat = v.pipe(
  v.number("Expected a number of seconds, such as 5"),
  v.minValue(0.001, "Expected more than 0 seconds"),
  v.maxValue(28_800, "Expected 28800 seconds at most"),
  v.transform((value) => Math.round(value * 1_000)),
);
const variables = v.record(v.string(), v.string("Expected text, in quotes"), "Expected a table of variables");
/** Of a registry. */
export const urlSchema: v.GenericSchema<string> = v.pipe(
  v.string("Expected a URL, in quotes"),
  v.regex(/^https?:\/\/[^/?#@\s]+(?:\/[^?#\s]*)?$/iu, "Expected a URL such as http://127.0.0.1:18000"),
);

const running = { work_dir: v.optional(text), env: v.optional(variables, {}) };

const backend = v.variant(
  "type",
  [
    v.strictObject({ type: v.literal("command"), command: program, args: v.optional(words, []), ...running }),
    v.strictObject({ type: v.literal("vllm"), model: text, args: v.optional(words, []), ...running }),
    v.strictObject({ type: v.literal("mock"), models: v.pipe(words, v.minLength(1, "Expected one model or more")) }),
    v.strictObject({ type: v.literal("infinilm-rust"), config_file: text, work_dir: v.optional(text) }),
    v.strictObject({ type: v.literal("infinilm"), model_path: text, args: v.optional(words, []), ...running }),
  ],
  "Expected one of command, vllm, mock, infinilm, infinilm-rust",
);

const babysitter = v.strictObject({
  max_restarts: v.optional(whole, 10_000),
  restart_delay: v.optional(seconds, 5),
  heartbeat_interval: v.optional(beat, 30),
});

const file = v.strictObject({
  name: v.optional(text),
  host: v.optional(text, "localhost"),
  port: v.pipe(
    v.number("Expected a port, such as 8100"),
    v.integer("Expected a whole number"),
    v.minValue(0, "Expected a port of 1 to 65534"),
    v.maxValue(65_534, "Expected a port of 1 to 65534: the babysitter listens on the next one"),
  ),
  registry_url: v.optional(urlSchema),
  router_url: v.optional(v.string("Expected a URL, in quotes")),
  weight: v.optional(
    v.pipe(
      v.number("Expected a number, such as 2"),
      v.minValue(0, "Expected 0 or more"),
      v.maxValue(1e6, "Expected 1000000 or less"),
    ),
  ),
  babysitter: v.optional(babysitter, {}),
  backend,
  metadata: v.optional(v.record(v.string(), v.unknown(), "Expected a table"), {}),
});

/** Keys that may be misspelt, by the table they stand in. */
export const knownKeys: Readonly<Record<string, readonly string[]>> = {
  "": Object.keys(file.entries),
  babysitter: Object.keys(babysitter.entries),
  backend: ["type", "command", "args", "work_dir", "env", "model", "models", "config_file", "model_path"],
};

/** Checks what a file says. */
export const fileSchema: v.GenericSchema<unknown, BabysitFile> = file;
