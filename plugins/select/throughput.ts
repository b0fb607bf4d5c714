import * as v from "valibot";
import { defineSelector, type Plugin, type Selector } from "../../core/index.ts";
import type { Rate } from "./_best.ts";
import { bySpeed } from "./_by-speed.ts";
import { createSpeeds, speedEntries } from "./_speed.ts";

export interface ThroughputOptions {
  /** Milliseconds after which an old sample counts for a third against a new and faster one. @default 10000 */
  decay?: number;
  /** A clock in milliseconds. @default performance.now */
  now?: () => number;
}

const entries = speedEntries satisfies Record<keyof ThroughputOptions, unknown>;

const schema: v.GenericSchema<ThroughputOptions, Required<ThroughputOptions>> = v.strictObject(entries);

/**
 * Picks the target that writes the most tokens per second.
 *
 * For long answers, where the time to the first token hardly matters. Each is expected to write
 * `1000 / time per token * weight / (inflight + 1)` tokens per second; the most is picked, those alike take turns. The time
 * per token after the first is measured as in `latency`, of answers whose tokens `sse` or `jsonUsage` tell; without
 * those plugins nothing is measured and it picks as `leastConnections` does. The share by requests under way is what
 * keeps the fastest from drawing all traffic; Plexus, whose selector "performance" takes the highest rate alone, lacks it.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), throughput(), sse()] });
 */
export const throughput: (options?: ThroughputOptions) => Plugin = defineSelector({
  name: "throughput",
  options: schema,
  create(pool, options, tools): Selector {
    const speeds = createSpeeds(pool, tools, options);
    const rate: Rate = (targets, x, into) => {
      const { perToken, share } = speeds.read(targets, x);
      for (let i = 0; i < targets.length; i++) into[i] = (1000 / perToken[i]!) * share[i]!;
    };
    return bySpeed(speeds, rate);
  },
});
