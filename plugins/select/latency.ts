import * as v from "valibot";
import { defineSelector, type Plugin, type Selector } from "../../core/index.ts";
import type { Rate } from "./_best.ts";
import { bySpeed } from "./_by-speed.ts";
import { createSpeeds, speedEntries } from "./_speed.ts";

export interface LatencyOptions {
  /** Tokens that an answer is expected to have; 0: only the time to the first counts. @default 100 */
  tokens?: number;
  /** Milliseconds after which an old sample counts for a third against a new and faster one. @default 10000 */
  decay?: number;
  /** A clock in milliseconds. @default performance.now */
  now?: () => number;
}

const entries = {
  tokens: v.optional(v.pipe(v.number(), v.finite("Expected a number"), v.minValue(0, "Expected 0 or more")), 100),
  ...speedEntries,
} satisfies Record<keyof LatencyOptions, unknown>;

const schema: v.GenericSchema<LatencyOptions, Required<LatencyOptions>> = v.strictObject(entries);

/**
 * Picks the target that is expected to have answered first.
 *
 * For models served from places that differ in speed, where answers should come soon. Expected are
 * `(ttft + tokens * time per token) * (inflight + 1) / weight` milliseconds; the lowest is picked, those alike take turns.
 * Both times are kept apart as peak EWMA, the formula of Finagle's and linkerd's load balancer `PeakEwma` with its factor
 * for the load: slower is believed at once, faster only over `decay`. One that is not measured yet counts as the median,
 * a target at rest is forgiven step by step and so tried again, and faults make a target slower. Plugin `sse` tells the
 * first token and the tokens of streams, `jsonUsage` the tokens of other answers; without them the time to the response
 * head counts. It sees the requests of this process only. Where requests are short and targets alike,
 * `leastConnections` does as well for less.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), latency({ tokens: 300 }), sse()] });
 */
export const latency: (options?: LatencyOptions) => Plugin = defineSelector({
  name: "latency",
  options: schema,
  create(pool, options, tools): Selector {
    const speeds = createSpeeds(pool, tools, options);
    const { tokens } = options;
    const rate: Rate = (targets, x, into) => {
      const { ttft, perToken, share } = speeds.read(targets, x);
      for (let i = 0; i < targets.length; i++) {
        into[i] = share[i]! / (ttft[i]! + tokens * perToken[i]!);
      }
    };
    return bySpeed(speeds, rate);
  },
});
