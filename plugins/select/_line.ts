import type { Target } from "../../core/index.ts";

/** The target at a point of the line on which each lies as long as its weight; `point` is in [0, 1). */
export type Line = (targets: readonly Target[], point: number) => Target;

/** Makes a line that is measured anew only when it is given another array. */
export function createLine(): Line {
  let measured: readonly Target[] = [];
  let ends = new Float64Array(0);

  return (targets, point) => {
    if (targets !== measured) {
      if (ends.length < targets.length) ends = new Float64Array(targets.length);
      measure(targets, ends);
      measured = targets;
    }
    const last = targets.length - 1;
    return targets[firstBeyond(ends, last, point * (ends[last] as number))] as Target;
  };
}

/** Each target's part of the whole; all alike when none has a weight. */
export function parts(targets: readonly Target[]): number[] {
  const total = targets.reduce((sum, target) => sum + target.weight, 0);
  return targets.map((target) => (total > 0 ? target.weight / total : 1 / targets.length));
}

function measure(targets: readonly Target[], ends: Float64Array): void {
  let end = 0;
  for (let i = 0; i < targets.length; i++) ends[i] = end += (targets[i] as Target).weight;
  if (end > 0) return;
  for (let i = 0; i < targets.length; i++) ends[i] = i + 1;
}

/** The first index whose end lies beyond the place: one of weight 0 ends where it begins and is never found. */
function firstBeyond(ends: Float64Array, last: number, place: number): number {
  let low = 0;
  let high = last;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] as number) > place) high = middle;
    else low = middle + 1;
  }
  return low;
}
