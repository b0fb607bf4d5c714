import type { ConsolaInstance } from "consola";
import * as v from "valibot";
import { definePlugin, type Exchange, type Hook, type Hooks, type Plugin, ProxyError } from "../../core/index.ts";
import { delayGauge, descriptorGauge, fullGauge, heapGauge } from "./_gauges.ts";
import { createPressure, noPressure, type Pressure, type PressureMemory } from "./_pressure.ts";

export interface OverloadOptions {
  /** 0..1: the share of V8's old generation in use from which on new requests are refused. @default 0.95 */
  heap?: number;
  /** 0..1: the share from which on each response is the last one of its connection. @default 0.92 */
  heapClose?: number;
  /** Milliseconds that the event loop is late, at the 99th percentile of 2 s, from which on they are. @default 500 */
  delay?: number;
  /** 0..1: the share of the file descriptors in use from which on they are; Linux only. @default 0.9 */
  descriptors?: number;
  /** Requests under way at once; control routes and what is refused do not count. @default no limit */
  maxActive?: number;
  /** Whether a request is served all the same, as one of high priority. Asked only when it would be refused. */
  keep?: (x: Exchange) => boolean;
}

interface Settings {
  readonly heap: number;
  readonly heapClose: number;
  readonly delay: number;
  readonly descriptors: number;
  readonly maxActive?: number | undefined;
  readonly keep?: ((x: Exchange) => boolean) | undefined;
}

const share = v.pipe(
  v.number(),
  v.gtValue(0, "Expected more than 0, up to 1"),
  v.maxValue(1, "Expected more than 0, up to 1"),
);

const schema: v.GenericSchema<OverloadOptions, Settings> = v.strictObject({
  heap: v.optional(share, 0.95),
  heapClose: v.optional(share, 0.92),
  delay: v.optional(
    v.pipe(v.number(), v.gtValue(0, "Expected milliseconds above 0"), v.finite("Expected milliseconds above 0")),
    500,
  ),
  descriptors: v.optional(share, 0.9),
  maxActive: v.optional(v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"))),
  keep: v.optional(
    v.custom<(x: Exchange) => boolean>((value) => typeof value === "function", "Expected a function of the exchange"),
  ),
} satisfies Record<keyof OverloadOptions, unknown>);

/** Milliseconds from look to look. */
const pause = 250;

/** What outlives a reload. */
interface Memory {
  readonly refusing: PressureMemory;
  readonly closing: PressureMemory;
  readonly full: PressureMemory;
  active: number;
  /** `performance.now()` when one was refused for `maxActive`. */
  fullAt: number;
}

/**
 * Refuses new requests while the process itself has too much to do.
 *
 * Heap, event loop and file descriptors are looked at four times a second; what is too high has to fall by a twentieth
 * before requests are taken again. Refused ones get 503 `overloaded`, and a `Retry-After` of 1 to 3 s at random, before
 * their body is read and before guards spend time on them. Responses under way go on, and control routes such as
 * `/health` are answered. The log tells when it begins and ends, and why.
 *
 * It protects the proxy; for what upstreams can take there are `maxConcurrency`, `queue` and `adaptiveLimit`. The heap
 * is V8's (`--max-old-space-size`), and the bytes of bodies are outside of it; without traffic V8 takes some seconds to
 * find what is free again. Marks are those of Envoy's overload manager.
 *
 * @example
 * overload({ maxActive: 5_000, keep: (x) => x.headers["x-priority"] === "high" });
 */
export const overload: (options?: OverloadOptions) => Plugin = definePlugin({
  name: "overload",
  options: schema,
  setup(proxy, settings) {
    const counted = proxy.slot<true>("overload");
    const memory = proxy.keep("memory", emptyMemory);
    const { refusing, closing, look } = createPressures(settings, memory, proxy.log);
    const { maxActive = Infinity, keep } = settings;

    proxy.every(pause, () => look(performance.now()), { immediate: true });
    proxy.onClose(() => refusing.close());

    function refuse(x: Exchange, why: PressureMemory): never {
      why.felt += 1;
      x.notes?.push("overload: the proxy has too much to do");
      const retryAfter = 1 + Math.floor(proxy.random() * 3);
      throw new ProxyError("overloaded", "The proxy has too much to do.", { phase: "request", retryAfter });
    }

    /** One more is under way, unless it is refused. */
    function enter(x: Exchange): void {
      if (memory.active >= maxActive && keep?.(x) !== true) {
        memory.fullAt = performance.now();
        refuse(x, memory.full);
      }
      if (x.notes !== undefined) return;
      memory.active += 1;
      counted.set(x, true);
    }

    const request: Hook<Hooks["request"]> = {
      // What is refused costs as little as can be; a page of another origin can still read why.
      before: ["ip", "keys", "rate-limit"],
      after: ["cors", "request-id"],
      handler(x) {
        if (closing.high) {
          memory.closing.felt += 1;
          x.node.res.shouldKeepAlive = false;
        }
        if ((!refusing.high && maxActive === Infinity) || x.control) return;
        if (refusing.high && keep?.(x) !== true) refuse(x, memory.refusing);
        if (maxActive !== Infinity) enter(x);
      },
    };
    if (maxActive === Infinity) return { request };
    return {
      request,
      end(x) {
        if (counted.get(x) === true) memory.active -= 1;
        return undefined;
      },
    };
  },
});

function emptyMemory(): Memory {
  return { refusing: noPressure(), closing: noPressure(), full: noPressure(), active: 0, fullAt: -Infinity };
}

interface Pressures {
  readonly refusing: Pressure;
  readonly closing: Pressure;
  look(now: number): void;
}

function createPressures(settings: Settings, memory: Memory, log: ConsolaInstance): Pressures {
  const { heap, heapClose, delay, descriptors, maxActive = Infinity } = settings;
  const effect = "new requests are refused";
  const refusing = createPressure({
    gauges: [heapGauge(heap), delayGauge(delay), descriptorGauge(descriptors)],
    memory: memory.refusing,
    log,
    effect,
  });
  const closing = createPressure({
    gauges: [heapGauge(heapClose)],
    memory: memory.closing,
    log,
    effect: "connections are not kept alive",
  });
  const full = createPressure({ gauges: [fullGauge(() => memory, maxActive)], memory: memory.full, log, effect });
  return {
    refusing,
    closing,
    look(now) {
      for (const each of [refusing, closing, full]) each.look(now);
    },
  };
}
