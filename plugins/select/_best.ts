import type { Exchange, Target } from "../../core/index.ts";

/** Writes a score for each target at its index: finite, 0 or more, higher is better. */
export type Rate = (targets: readonly Target[], x: Exchange, into: Float64Array) => void;

/** Scores closer than this share of each other count as alike. */
const alike = 1e-9;

/** Makes a pick of the highest score. Those alike take turns; one of weight 0 is passed over while another has a weight. */
export function createBest(rate: Rate): (targets: readonly Target[], x: Exchange) => Target | undefined {
  let scores = new Float64Array(0);
  let from = 0;
  return (targets, x) => {
    const { length } = targets;
    if (scores.length < length) scores = new Float64Array(length);
    rate(targets, x, scores);
    let found = findBest(targets, scores, from < length ? from : 0, false);
    if (found === -1) found = findBest(targets, scores, from < length ? from : 0, true);
    from = found + 1;
    return targets[found];
  };
}

/** Index of the highest, the first of equals from `from` on; -1 if none has a weight. */
function findBest(targets: readonly Target[], scores: Float64Array, from: number, weightless: boolean): number {
  const { length } = targets;
  let found = -1;
  let most = -1;
  let index = from;
  for (let seen = 0; seen < length; seen++) {
    const score = scores[index]!;
    if (score > most + most * alike && (weightless || targets[index]!.weight > 0)) {
      most = score;
      found = index;
    }
    if (++index === length) index = 0;
  }
  return found;
}
