import * as v from "valibot";
import { definePlugin, type Plugin, type TargetSpec } from "../../core/index.ts";
import type { MockFault } from "./_faults.ts";
import { defaultModels, type MockServer, type MockServerOptions, startMockBackend } from "./_server.ts";

export type { MockFault } from "./_faults.ts";
export { type MockServer, type MockServerOptions, startMockBackend } from "./_server.ts";

export interface MockTargetOptions extends Omit<MockServerOptions, "port" | "host"> {
  /** Also the target's id, the same after a reload. @default mock-1, mock-2, ... by place; `<pool>-1` in a named pool */
  id?: string;
  /** Share of the traffic. @default 1 */
  weight?: number;
  labels?: Readonly<Record<string, string>>;
}

export interface MockBackendOptions {
  /** The upstreams to run. @default one that serves "mock-model" */
  backends?: readonly MockTargetOptions[];
  /** The pool they join. @default "default" */
  pool?: string;
}

type Entries<O> = { [K in keyof Required<O>]: v.GenericSchema<O[K], unknown> };

const milliseconds = v.pipe(
  v.number(),
  v.minValue(0, "Expected milliseconds, 0 or more"),
  v.maxValue(2 ** 31 - 1, "Expected milliseconds, 2147483647 at most: what a timer can wait"),
);
const count = v.pipe(
  v.number(),
  v.integer("Expected a whole number"),
  v.minValue(0, "Expected 0 or more"),
  v.maxValue(1e6, "Expected 1000000 or less"),
);
const status = v.pipe(
  v.number(),
  v.integer("Expected a whole number"),
  v.minValue(400, "Expected a status from 400 to 599"),
  v.maxValue(599, "Expected a status from 400 to 599"),
);
// They go into a response header.
const name = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][\w.:/@+-]{0,254}$/,
    "Expected 1 to 255 letters, digits and _ . : / @ + -, the first a letter or a digit",
  ),
);

const backend = v.strictObject({
  id: v.optional(name),
  models: v.optional(v.array(v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string")))),
  latency: v.optional(milliseconds),
  chunkInterval: v.optional(milliseconds),
  tokens: v.optional(count),
  fault: v.optional(
    v.strictObject({
      status: v.optional(status),
      cutAfter: v.optional(count),
    } satisfies Entries<MockFault>),
  ),
  healthy: v.optional(v.boolean()),
  weight: v.optional(v.pipe(v.number(), v.minValue(0, "Expected 0 or more"))),
  labels: v.optional(v.record(v.string(), v.string())),
} satisfies Entries<MockTargetOptions>);

const schema: v.GenericSchema<MockBackendOptions, Required<MockBackendOptions>> = v.pipe(
  v.strictObject({
    backends: v.optional(v.pipe(v.array(backend), v.nonEmpty("Expected at least one backend; {} is enough")), [{}]),
    pool: v.optional(name, "default"),
  } satisfies Entries<MockBackendOptions>),
  v.forward(
    v.check(
      (options) => new Set(idsOf(options)).size === options.backends.length,
      "Expected each backend to have an id of its own",
    ),
    ["backends"],
  ),
);

/**
 * Runs OpenAI-compatible upstreams inside the process and adds them as targets.
 *
 * For demos, for tests and for trying out a config on a machine that has no model: chat completions, completions
 * (both also streamed), embeddings, models and health on real sockets of 127.0.0.1. Not for measuring: the mocks
 * share the process, and so the CPU, with the proxy.
 *
 * @example
 * mockBackend({ backends: [{ models: ["small"] }, { models: ["small", "large"], latency: 50, chunkInterval: 20 }] });
 */
export const mockBackend: (options?: MockBackendOptions) => Plugin = definePlugin({
  name: "mock-backend",
  options: schema,
  multiple: true,
  setup(proxy, { backends, pool }) {
    const ids = idsOf({ backends, pool });
    const named = backends.map((options, index) => ({ ...options, id: ids[index] }));
    let starting: readonly Promise<MockServer>[] = [];

    proxy.provide("discovery", `mock-backend ${pool}`, {
      pool,
      known: named.map((options) => toSpec(options, "")),
      async start(sink) {
        // In check mode there is no socket: the address only has to look like one.
        if (proxy.mode === "check") return sink.replace(named.map((options) => toSpec(options, "http://127.0.0.1:0")));
        starting = named.map(startMockBackend);
        const servers = await Promise.all(starting);
        sink.replace(named.map((options, index) => toSpec(options, servers[index]?.url ?? "")));
      },
    });

    // Not on the abort of the start: exchanges of a replaced generation still need their backends.
    proxy.onClose(async () => {
      for (const server of await Promise.allSettled(starting)) {
        if (server.status === "fulfilled") await server.value.close();
      }
    });
  },
});

/** Core knows targets by their ids, whatever their pool. */
function idsOf({ backends, pool }: Required<MockBackendOptions>): readonly string[] {
  const prefix = pool === "default" ? "mock" : pool;
  return backends.map(({ id }, index) => id ?? `${prefix}-${index + 1}`);
}

function toSpec({ id, models = defaultModels, weight, labels }: MockTargetOptions, url: string): TargetSpec {
  return { id, url, models, weight, labels };
}
