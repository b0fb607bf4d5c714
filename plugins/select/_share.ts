import type { Exchange, Score, Target } from "../../core/index.ts";
import type { Rate } from "./_best.ts";

/** What of a target one more request would have: its weight over the requests under way, this one included. */
export function shareOf({ weight, live }: Target): number {
  // One of weight 0 is only ever picked where none has a weight, or was not asked about.
  return (weight > 0 ? weight : 1) / ((live.inflight > 0 ? live.inflight : 0) + 1);
}

/** The scores that a rate gives, each with a note on the figures behind it. */
export function toScores(
  targets: readonly Target[],
  x: Exchange,
  rate: Rate,
  note: (target: Target, index: number) => string,
): Score[] {
  const scores = new Float64Array(targets.length);
  rate(targets, x, scores);
  const weightless = targets.every((target) => !(target.weight > 0));
  return targets.map((target, i) => {
    const { id, weight, live } = target;
    const load = `${note(target, i)}; ${live.inflight} under way, weight ${weight}`;
    if (!weightless && !(weight > 0)) return { id, score: 0, note: `${load}: passed over` };
    return { id, score: scores[i] ?? 0, note: load };
  });
}
