import { unknown } from "./_room.ts";

/** Scores that are looked at to find the middle one; of more, as many evenly over the list. */
const most = 64;

const sample: Float64Array = new Float64Array(most);

/** Puts the median of the scores above 0, or 1, in place of those that are not known. */
export function fillUnknown(scores: Float64Array, length: number): void {
  let some = false;
  let known = 0;
  for (let i = 0; i < length; i++) {
    const score = scores[i]!;
    if (score === unknown) some = true;
    else if (score > 0) known += 1;
  }
  if (!some) return;
  // Without those at 0: where most are used up, one that is not known must not count as used up.
  const neutral = known === 0 ? 1 : sample[findMedian(scores, length, Math.ceil(known / most))]!;
  for (let i = 0; i < length; i++) if (scores[i] === unknown) scores[i] = neutral;
}

/** Where in `sample` the lower of the two in the middle is, of each `step`th score. */
function findMedian(scores: Float64Array, length: number, step: number): number {
  let count = 0;
  let seen = 0;
  for (let i = 0; i < length; i++) {
    const score = scores[i]!;
    if (score === unknown || !(score > 0) || seen++ % step !== 0) continue;
    let at = count++;
    for (; at > 0 && sample[at - 1]! > score; at--) sample[at] = sample[at - 1]!;
    sample[at] = score;
  }
  return (count - 1) >> 1;
}
