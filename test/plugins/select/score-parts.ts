import { defineSelector, type Exchange, type Plugin, type Selector, type Target } from "plugboard";
import { score, type ScorePart, type ScoreSettings } from "plugboard/plugins/select/score";
import { fakeExchange, fakePool, selectorOf } from "plugboard/testing";

/** Scores each target by a function of it. */
export const by = (rate: (target: Target, x: Exchange) => number, name = "by"): Plugin =>
  defineSelector({
    name,
    create: () => ({
      pick: (targets) => targets[0],
      score(targets, x, into) {
        for (let i = 0; i < targets.length; i++) into[i] = rate(targets[i]!, x);
      },
    }),
  })();

export const list = (...scores: readonly number[]): Plugin => by(({ id }) => scores[Number(id.slice(1)) - 1] ?? 0);
export const selectorFor = (targets: readonly Target[], parts: readonly ScorePart[], settings?: ScoreSettings) =>
  selectorOf(score(parts, settings), fakePool(targets));

export function scoresOf(selector: Selector, targets: readonly Target[], x = fakeExchange()): number[] {
  const into = new Float64Array(targets.length);
  selector.score?.(targets, x, into);
  return [...into];
}
