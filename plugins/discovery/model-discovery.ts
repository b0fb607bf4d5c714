import * as v from "valibot";
import { definePlugin, isPlugin, type KnownTarget, type Plugin, type TargetSpec } from "../../core/index.ts";
import { backoff } from "./_follow.ts";
import type { KnownModels } from "./_model-entry.ts";
import { askModels } from "./_model-list.ts";
import { createModelTargets } from "./_model-targets.ts";
import { interval } from "./_target-spec.ts";

export interface ModelDiscoveryOptions {
  /** From the root of a target's origin. @default "/v1/models" behind its base path, less the version that this ends in */
  path?: string;
  /** Milliseconds between two questions to a target; one that failed is asked sooner. @default 30000 */
  interval?: number;
  /** Milliseconds a whole answer may take, and the first answers at the start. @default 5000 */
  timeout?: number;
  /**
   * What becomes of a target that names no models and has not answered yet: `wait` holds it back, `all` lets it take
   * whatever it is asked for. @default "wait"
   */
  unknown?: "wait" | "all";
  /** Sent with each question, to each target of the discovery: also to those that others name. @default none */
  headers?: Readonly<Record<string, string>>;
  /** Bytes of an answer. @default 4 MiB */
  maxBytes?: number;
}

interface Given extends ModelDiscoveryOptions {
  readonly inner: Plugin;
}

type Settings = Required<Omit<Given, "path">> & Pick<Given, "path">;

const headerName = v.pipe(v.string(), v.regex(/^[\w!#$%&'*+.^`|~-]+$/, "Expected the name of a header"));
const headerValue = v.pipe(v.string(), v.regex(/^[\t\u0020-\u007e\u0080-\u00ff]*$/, "Expected the value of a header"));

const schema: v.GenericSchema<Given, Settings> = v.strictObject({
  inner: v.custom<Plugin>(isPlugin, "Expected a discovery such as staticTargets({ targets: [...] })"),
  path: v.optional(v.pipe(v.string(), v.regex(/^\/[!-~]*$/, "Expected a path such as /v1/models"))),
  interval: v.optional(interval, 30_000),
  timeout: v.optional(interval, 5_000),
  unknown: v.optional(v.picklist(["wait", "all"], 'Expected "wait" or "all"'), "wait"),
  headers: v.optional(v.record(headerName, headerValue), {}),
  maxBytes: v.optional(
    v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more")),
    4 * 1_048_576,
  ),
} satisfies { [K in keyof Required<Given>]: v.GenericSchema<Given[K], unknown> });

const define = definePlugin({
  name: "model-discovery",
  options: schema,
  multiple: true,
  setup(proxy, options) {
    const { inner, path, timeout, unknown } = options;
    const discovery = proxy.inner("discovery", inner);
    const known = proxy.keep<KnownModels>("models", () => new Map());
    const { pool = "default" } = discovery;

    proxy.provide("discovery", `model-discovery ${pool} ${nth(proxy.signal)}`, {
      pool,
      ...(discovery.known !== undefined && { known: discovery.known.map(withoutModels) }),
      async start(sink, signal) {
        if (signal.aborted) return;
        if (proxy.mode !== "serve") return discovery.start(sink, signal);
        const targets = createModelTargets({
          sink,
          signal,
          known,
          path,
          waits: unknown === "wait",
          ask: (place, cancel) => askModels(place, options, cancel),
          wait: (failures) => {
            const spread = options.interval * (0.9 + 0.2 * proxy.random());
            return failures === 0 ? spread : Math.min(backoff(failures, proxy.random), spread);
          },
          warn: (text) => proxy.log.warn(text),
        });
        await discovery.start(targets.sink, signal);
        await targets.begin(timeout);
      },
    });
  },
});

/**
 * Asks the targets of another discovery which models they serve.
 *
 * For servers whose models are not written down: `/v1/models` of each target takes the place of the `models` that its
 * spec names, when it is there, and each `interval`. A target that says it has none takes no requests; one that does not
 * answer keeps what it said last, also over a reload, and the source is stale in the status of the proxy. The start waits
 * for the first answers, up to `timeout`. Up to 1,000 models of 256 characters each; a name with control characters is
 * left out. Targets are reached as requests reach them, by their TLS and within their `addresses`; a redirect is not
 * followed. Keys that `providers` has are not sent, so that for hosted APIs the models stay in the config. `check`,
 * `test` and `explain` ask nobody and take the models of the specs. Of a discovery for several pools, the first pool.
 *
 * @example
 * modelDiscovery(dnsTargets({ name: "vllm.models.svc.cluster.local", port: 8000 }), { interval: 10_000 });
 */
export const modelDiscovery: (inner: Plugin, options?: ModelDiscoveryOptions) => Plugin = (inner, options) =>
  define({ ...options, inner });

/** Which models a target has is not known before it is asked: until then it may have any. */
function withoutModels({ id, url, labels, enabled }: KnownTarget): KnownTarget {
  const { models: _, ...rest }: Partial<TargetSpec> = { id, url, labels, enabled };
  return rest;
}

/** By the signal of their generation: two of one pool have to have names of their own, the same after each reload. */
const counts = new WeakMap<AbortSignal, number>();

function nth(signal: AbortSignal): number {
  const count = (counts.get(signal) ?? 0) + 1;
  counts.set(signal, count);
  return count;
}
