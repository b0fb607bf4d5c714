import * as v from "valibot";
import { defineSelector, type Plugin, type Selector, type Target } from "../../core/index.ts";
import { createBest, type Rate } from "./_best.ts";
import { createPrices } from "./_price.ts";
import { shareOf, toScores } from "./_share.ts";
import { bytesPerToken, promptBytes, tokenEntries } from "./_tokens.ts";

export interface CostOptions {
  /** Tokens of a prompt whose length is not known when the target is chosen. @default 1000 */
  inputTokens?: number;
  /** Tokens that an answer is expected to have. @default 500 */
  outputTokens?: number;
}

const entries = tokenEntries satisfies Record<keyof CostOptions, unknown>;

const schema: v.GenericSchema<CostOptions, Required<CostOptions>> = v.strictObject(entries);

/** Dollars that are taken for the same, as a share of them. */
const alike = 1e-9;

/**
 * Picks the target that is cheapest for the request.
 *
 * For the same model at several prices, where money counts more than time: the cheapest gets every request until it is
 * full, down or was tried; of those with the same price the least loaded for its weight is picked, and those alike take
 * turns. Prices are dollars per million tokens and stand in a target's `meta.prices`, by model, or `meta.price`, for all:
 * a number, `{ input, output, request? }`, or a list of these by `upTo`, tokens of the prompt; a longer prompt than any
 * pays by the last. A request costs `(prompt * input + outputTokens * output) / 1e6 + request`; its prompt is taken for
 * a quarter of its bytes, so images in it count too much. A target without a price, or with one that is no price,
 * counts as the dearest. As one of several scores a price of 0 counts as a millionth of a dollar. Not for targets that
 * should share the load: weigh it against others by `score`, or see `performance`.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: [{ url: "http://127.0.0.1:8001", meta: { price: 0.5 } }, { url: "http://127.0.0.1:8002", meta: { price: { input: 1, output: 4 } } }] }), cost()] });
 */
export const cost: (options?: CostOptions) => Plugin = defineSelector({
  name: "cost",
  options: schema,
  create(_pool, options): Selector {
    const prices = createPrices(options);
    const score: Rate = prices.readPerDollar;
    const rate: Rate = (targets, x, into) => {
      prices.read(targets, x, into);
      const most = into[findCheapest(targets, into)]! * (1 + alike);
      for (let i = 0; i < targets.length; i++) into[i] = into[i]! <= most ? shareOf(targets[i]!) : 0;
    };
    return {
      pick: createBest(rate),
      score,
      explain(targets, x) {
        const bytes = promptBytes(x);
        const prompt = bytes === -1 ? options.inputTokens : bytes / bytesPerToken;
        const dollars = new Float64Array(targets.length);
        prices.read(targets, x, dollars);
        return toScores(targets, x, score, (target, i) => {
          if (!prices.has(target, x)) return "no price, counts as the dearest";
          return `$${dollars[i]!.toPrecision(3)} for ${Math.round(prompt)} prompt and ${options.outputTokens} completion tokens`;
        });
      },
    };
  },
});

/** Index of the one with the least dollars of those with a weight, or of all when none has one. */
function findCheapest(targets: readonly Target[], dollars: Float64Array): number {
  const { length } = targets;
  let cheapest = 0;
  for (let i = 1; i < length; i++) if (dollars[i]! < dollars[cheapest]!) cheapest = i;
  // One without a weight hardly ever is in a list, and looking at each target for it is what takes long.
  if (targets[cheapest]!.weight > 0) return cheapest;
  let found = -1;
  for (let i = 0; i < length; i++) {
    if (targets[i]!.weight > 0 && (found === -1 || dollars[i]! < dollars[found]!)) found = i;
  }
  return found === -1 ? cheapest : found;
}
