import * as v from "valibot";
import { defineSelector, type Plugin, type Selector } from "../../core/index.ts";
import type { Rate } from "./_best.ts";
import { bySpeed } from "./_by-speed.ts";
import { createPrices } from "./_price.ts";
import { toScores } from "./_share.ts";
import { createSpeeds, speedEntries } from "./_speed.ts";
import { tokenEntries } from "./_tokens.ts";

export interface PerformanceOptions {
  /** How much tokens per second count, as an exponent; 0 is not at all. @default 1 */
  throughput?: number;
  /** How much the time to the first token counts, as an exponent. @default 1 */
  latency?: number;
  /** How much the price counts, as an exponent. @default 1 */
  cost?: number;
  /** Tokens of a prompt whose length is not known when the target is chosen. @default 1000 */
  inputTokens?: number;
  /** Tokens that an answer is expected to have. @default 500 */
  outputTokens?: number;
  /** Milliseconds after which an old sample counts for a third against a new and faster one. @default 10000 */
  decay?: number;
  /** A clock in milliseconds. @default performance.now */
  now?: () => number;
}

const exponent = v.pipe(v.number(), v.minValue(0, "Expected 0 to 4"), v.maxValue(4, "Expected 0 to 4"));

const entries = {
  throughput: v.optional(exponent, 1),
  latency: v.optional(exponent, 1),
  cost: v.optional(exponent, 1),
  ...tokenEntries,
  ...speedEntries,
} satisfies Record<keyof PerformanceOptions, unknown>;

const schema: v.GenericSchema<PerformanceOptions, Required<PerformanceOptions>> = v.strictObject(entries);

/**
 * Picks by throughput, latency and price in one score.
 *
 * For targets that differ in all three, where none of them alone may decide. The score is that of Plexus' selector
 * "performance" in its third phase, `throughput / (latency * cost)`, each raised to its exponent, times
 * `weight / (inflight + 1)`, without which the best would draw all traffic. The throughput is tokens per second after
 * the first; the latency milliseconds to the first token, both measured as in `latency`; the cost dollars of the
 * request as in `cost`, at least a millionth, so that one for free does not outweigh everything. What is not measured
 * counts as the median of the others, an unknown price as the dearest; what is known of none drops out. Not where one
 * figure has to hold, such as a limit of the price: order by that with `fallback`, or take `latency` or `cost`.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: [{ url: "http://127.0.0.1:8001", meta: { price: 0.5 } }, { url: "http://127.0.0.1:8002", meta: { price: 2 } }] }), performance({ cost: 2 }), sse()] });
 */
export const performance: (options?: PerformanceOptions) => Plugin = defineSelector({
  name: "performance",
  options: schema,
  create(pool, options, tools): Selector {
    const speeds = createSpeeds(pool, tools, options);
    const prices = createPrices(options);
    const { throughput, latency, cost } = options;
    // A power costs more than all the rest of a score.
    const isPlain = throughput === 1 && latency === 1 && cost === 1;
    const scale = 1000 ** throughput;
    const rate: Rate = (targets, x, into) => {
      prices.readPerDollar(targets, x, into);
      const { ttft, perToken, share } = speeds.read(targets, x);
      for (let i = 0; i < targets.length; i++) {
        if (isPlain) into[i] = (share[i]! * scale * into[i]!) / (perToken[i]! * ttft[i]!);
        else into[i] = (share[i]! * scale * into[i]! ** cost) / (perToken[i]! ** throughput * ttft[i]! ** latency);
      }
    };
    return {
      ...bySpeed(speeds, rate),
      explain(targets, x) {
        const dollars = new Float64Array(targets.length);
        prices.read(targets, x, dollars);
        return toScores(targets, x, rate, (target, i) => {
          const price = prices.has(target, x) ? `$${dollars[i]!.toPrecision(3)}` : "no price, counts as the dearest";
          return `${speeds.note(target)}; ${price}`;
        });
      },
    };
  },
});
