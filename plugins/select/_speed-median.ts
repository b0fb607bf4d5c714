import type { Speed } from "./_speed-samples.ts";

/** Of what was measured in a list; 1 while nothing was. */
export interface Usual {
  median: number;
  least: number;
}

/** What is usual in a list of targets, as of the last `measure`. */
export interface Typical {
  readonly ttft: Usual;
  readonly perToken: Usual;
  measure(speeds: readonly Speed[]): void;
}

export function createTypical(): Typical {
  const ttft = { median: 1, least: 1 };
  const perToken = { median: 1, least: 1 };
  let ttfts = new Float64Array(0);
  let perTokens = new Float64Array(0);
  return {
    ttft,
    perToken,
    measure(speeds) {
      if (ttfts.length < speeds.length) {
        ttfts = new Float64Array(speeds.length);
        perTokens = new Float64Array(speeds.length);
      }
      let some = 0;
      let others = 0;
      for (let i = 0; i < speeds.length; i++) {
        const speed = speeds[i]!;
        if (speed.ttft !== 0) ttfts[some++] = speed.ttft;
        if (speed.perToken !== 0) perTokens[others++] = speed.perToken;
      }
      settle(ttft, ttfts, some);
      settle(perToken, perTokens, others);
    },
  };
}

function settle(usual: Usual, values: Float64Array, count: number): void {
  let least = Infinity;
  for (let i = 0; i < count; i++) if (values[i]! < least) least = values[i]!;
  usual.median = count === 0 ? 1 : medianOf(values, count);
  usual.least = count === 0 ? 1 : least;
}

/** The middle one of the first `count` values, the lower of two. Puts them into another order (Hoare's quickselect). */
export function medianOf(values: Float64Array, count: number): number {
  const middle = (count - 1) >> 1;
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1]!;
    let left = low;
    let right = high;
    while (left <= right) {
      while (values[left]! < pivot) left++;
      while (values[right]! > pivot) right--;
      if (left > right) break;
      const value = values[left]!;
      values[left++] = values[right]!;
      values[right--] = value;
    }
    if (middle <= right) high = right;
    else if (middle >= left) low = left;
    else break;
  }
  return values[middle]!;
}
