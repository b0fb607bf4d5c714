import * as v from "valibot";
import { defineSelector, type Exchange, type Plugin, type Selector, type Target } from "../../core/index.ts";
import { randomSource } from "./_chance-and-time.ts";
import { createBest } from "./_best.ts";
import { innerSchema } from "./_inner-selector.ts";
import { createDraw, createSum, explainParts, never, toParts } from "./_sum.ts";

/** A selector and how much its score counts. */
export type ScorePart = readonly [selector: Plugin, weight: number];

export interface ScoreSettings {
  /** Which targets may be picked; if none may, it picks nothing. @default all */
  filter?: (target: Target, x: Exchange) => boolean;
  /** `"best"`: the highest, those alike take turns; `"random"`: by chance in proportion to the score. @default "best" */
  pick?: "best" | "random";
  /** A number in [0, 1) for each pick by chance. @default the proxy's */
  random?: () => number;
}

export interface ScoreOptions extends ScoreSettings {
  parts: readonly ScorePart[];
}

const weight = "Expected a weight of 0 or more";
const part = "Expected a selector and its weight, such as [usage(), 2]";

const entries = {
  parts: v.pipe(
    v.array(
      v.pipe(
        v.strictTuple([innerSchema, v.pipe(v.number(weight), v.finite(weight), v.minValue(0, weight))], part),
        v.readonly(),
      ),
      "Expected a list of selectors and weights, such as [[usage(), 2]]",
    ),
    v.check((parts) => parts.some(([, each]) => each > 0), "Expected at least one part with a weight above 0"),
    v.readonly(),
  ),
  filter: v.optional(
    v.custom<NonNullable<ScoreOptions["filter"]>>(isFunction, "Expected a function that returns true or false"),
  ),
  pick: v.optional(v.picklist(["best", "random"], 'Expected "best" or "random"')),
  random: v.optional(randomSource),
} satisfies Record<keyof ScoreOptions, unknown>;

const schema: v.GenericSchema<ScoreOptions> = v.strictObject(entries);

const define = defineSelector({
  name: "score",
  options: schema,
  create(_pool, { parts: given, filter, pick, random }, tools): Selector {
    const parts = toParts(given, (plugin) => tools.inner(plugin));
    const sum = createSum(parts, filter);
    return {
      pick: pick === "random" ? createDraw(sum, random ?? tools.random) : createBest(sum),
      update: (snapshot) => parts.forEach(({ selector }) => selector.update?.(snapshot)),
      attemptStart: (target, x) => parts.forEach(({ selector }) => selector.attemptStart?.(target, x)),
      attemptEnd: (target, outcome, x) => parts.forEach(({ selector }) => selector.attemptEnd?.(target, outcome, x)),
      score(targets, x, into) {
        sum(targets, x, into);
        for (let i = 0; i < targets.length; i++) if (into[i] === never) into[i] = 0;
      },
      explain: (targets, x) => explainParts(parts, sum, targets, x),
    };
  },
});

/**
 * Filters targets, adds up the scores of several selectors, and picks.
 *
 * Where no single measure decides: twice as much room as price, none of it on targets with eight requests under way. Each
 * part's scores are divided by the highest among the targets that passed the filter, times its weight; the sum, over all
 * weights, is 0 to 1. To divide by the highest keeps "twice as good is twice as much"; to stretch what lies between the
 * lowest and the highest over 0 to 1, as others do, makes 101 against 100 ms all or nothing. A target's own weight
 * counts as far as the parts count it; one of weight 0 is passed over while another has a weight. `"best"` sends all to
 * the highest until the measures have changed; with measures that change slowly take `"random"`.
 *
 * If no target passes the filter nothing is picked: the request fails as if all were down, or goes to the next selector of
 * a `fallback`. A filter in a `score` that is itself a part takes away points, not targets. A selector that gives no
 * scores, such as `roundRobin`, is refused when the config is loaded. Not for an order of measures, price first and load
 * only among the cheapest: no weight says that.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }),
 *     score([[headroom(), 2], [usage(), 1]], { filter: (target) => target.live.inflight < 8 }),
 *   ],
 * });
 */
export const score: (parts: readonly ScorePart[], settings?: ScoreSettings) => Plugin = (parts, settings) =>
  define({ ...settings, parts });

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}
