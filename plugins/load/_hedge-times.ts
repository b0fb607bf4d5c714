/** Times that are remembered. */
const window = 256;
/** Fewer say nothing of how long it usually takes. */
const enough = 20;
/** New ones after which they are sorted again. */
const pause = 16;

/** How long the latest answers took; plain numbers, which `explain` can copy. */
export interface Times {
  readonly latest: Float64Array;
  /** Of all so far. */
  count: number;
  /** What was found when they were sorted last, for which percentile, and of how many. */
  found: number;
  percentile: number;
  sortedAt: number;
}

export function createTimes(): Times {
  return { latest: new Float64Array(window), count: 0, found: 0, percentile: 0, sortedAt: 0 };
}

/** Takes the milliseconds of one more answer; the oldest is forgotten. */
export function addTime(times: Times, milliseconds: number): void {
  times.latest[times.count % window] = milliseconds;
  times.count += 1;
}

/** The time that so many of a hundred answers do not exceed (nearest rank); undefined while too few are known. */
export function timeAt(times: Times, percentile: number): number | undefined {
  const { count } = times;
  if (count < enough) return undefined;
  if (times.percentile === percentile && count - times.sortedAt < pause) return times.found;
  const sorted = times.latest.slice(0, Math.min(count, window)).toSorted();
  times.found = sorted[Math.ceil((percentile / 100) * sorted.length) - 1]!;
  times.percentile = percentile;
  times.sortedAt = count;
  return times.found;
}
