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
  let values = new Float64Array(0);
  return {
    ttft,
    perToken,
    measure(speeds) {
      if (values.length < speeds.length) values = new Float64Array(speeds.length);
      measureKind(ttft, speeds, "ttft", values);
      measureKind(perToken, speeds, "perToken", values);
    },
  };
}

function measureKind(usual: Usual, speeds: readonly Speed[], kind: "ttft" | "perToken", values: Float64Array): void {
  let count = 0;
  let least = Infinity;
  for (let i = 0; i < speeds.length; i++) {
    const value = speeds[i]![kind];
    if (value === 0) continue;
    values[count++] = value;
    if (value < least) least = value;
  }
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
