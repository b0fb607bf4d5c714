import * as v from "valibot";
import { defineSelector, type Plugin } from "../../core/index.ts";
import { randomSource } from "./_chance-and-time.ts";
import { createLine, parts } from "./_line.ts";

export interface RandomOptions {
  /** A number in [0, 1) for each pick. @default chance, or with a seed what `explain` repeats */
  random?: () => number;
}

const entries = {
  random: v.optional(randomSource),
} satisfies Record<keyof RandomOptions, unknown>;

const schema: v.GenericSchema<RandomOptions> = v.strictObject(entries);

/**
 * Picks at random, in proportion to the weights.
 *
 * Needs no memory, so many proxies in front of the same targets do not fall into step. Over few requests it spreads
 * less evenly than `roundRobin`, and it does not see that a target is busy, as `leastConnections` does.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: [{ url: "http://127.0.0.1:8001", weight: 3 }, "http://127.0.0.1:8002"] }), random()] });
 */
export const random: (options?: RandomOptions) => Plugin = defineSelector({
  name: "random",
  options: schema,
  create(_pool, { random: draw }, tools) {
    const line = createLine();
    const next = draw ?? tools.random;
    return {
      pick: (targets) => line(targets, next()),
      explain(targets) {
        const chances = parts(targets);
        return targets.map(({ id }, i) => ({
          id,
          score: chances[i] ?? 0,
          note: `picked ${toPercent(chances[i] ?? 0)} of the time`,
        }));
      },
    };
  },
});

function toPercent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
