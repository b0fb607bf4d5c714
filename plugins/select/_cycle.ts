import type { Target } from "../../core/index.ts";
import { createLongCycle } from "./_long-cycle.ts";

/** Beyond so many targets a turn that looks at all of them takes too long. */
const fewEnoughToCompare = 128;

/** Turns that are remembered at most per route, 4 bytes each. */
const longest = 16_384;

/** Endless turns of one list of targets. */
export interface Cycle {
  /** Those that take turns: the ones with a weight, or all when none has one. */
  readonly ring: readonly Target[];
  next(): Target;
  /** What each of `ring` is owed, in turns: 0 is even, below 0 it had more than its part. */
  owed(): Float64Array;
  /** Turns of all until each is next; only where that, and not what it is owed, decides. */
  wait?(): Float64Array;
}

/**
 * Smooth weighted round-robin after nginx (ngx_http_upstream_round_robin): each turn every target earns its weight, the
 * richest is picked and pays the sum of all. That repeats itself, so one time round is computed turn by turn and
 * remembered; after that a pick is a look-up. A long list takes its turns by `createLongCycle`.
 */
export function createCycle(targets: readonly Target[], owed: ReadonlyMap<string, number>): Cycle {
  const ring = withWeight(targets);
  if (ring.length > fewEnoughToCompare) return createLongCycle(ring, owed);
  const { weights, total, repeats, even } = measure(ring);
  const credit = Float64Array.from(ring, ({ id }) => clamp(owed.get(id) ?? 0) * total);
  const schedule = even ? richestFirst(credit) : new Uint32Array(repeats ? total : 0);
  const start = credit.slice();
  let remembered = even;
  let turn = 0;

  function compute(): number {
    const index = earnAndPay(credit, weights, total);
    if (!repeats) return index;
    schedule[turn++] = index;
    if (turn < total) return index;
    turn = 0;
    // From an uneven start it takes a few times round until one ends as it began.
    remembered = isSame(credit, start);
    start.set(credit);
    return index;
  }

  return {
    ring,
    next() {
      if (!remembered) return ring[compute()] as Target;
      if (turn === total) turn = 0;
      return ring[schedule[turn++] as number] as Target;
    },
    owed() {
      const now = credit.slice();
      if (remembered) {
        for (let i = 0; i < now.length; i++) now[i]! += turn * (weights[i] as number);
        for (let i = 0; i < turn; i++) now[schedule[i] as number]! -= total;
      }
      return now.map((value) => value / total);
    },
  };
}

interface Measure {
  readonly weights: readonly number[];
  readonly total: number;
  /** The turns come round soon enough to remember them. */
  readonly repeats: boolean;
  readonly even: boolean;
}

function withWeight(targets: readonly Target[]): readonly Target[] {
  const some = targets.filter((target) => target.weight > 0);
  return some.length > 0 ? some : targets;
}

function measure(ring: readonly Target[]): Measure {
  const given = ring.map((target) => (target.weight > 0 ? target.weight : 1));
  const whole = toWholeNumbers(given);
  const weights = whole ?? given;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const even = whole !== undefined && total === ring.length;
  const short = total <= longest;
  return { weights, total, repeats: even || (whole !== undefined && short), even };
}

function earnAndPay(credit: Float64Array, weights: readonly number[], total: number): number {
  let richest = 0;
  let most = -Infinity;
  for (let i = 0; i < credit.length; i++) {
    const value = (credit[i] as number) + (weights[i] as number);
    credit[i] = value;
    if (value > most) {
      most = value;
      richest = i;
    }
  }
  credit[richest] = most - total;
  return richest;
}

/** With equal weights one time round is known at once. */
function richestFirst(credit: Float64Array): Uint32Array {
  return Uint32Array.from(credit, (_, i) => i).toSorted(
    (a, b) => (credit[b] as number) - (credit[a] as number) || a - b,
  );
}

/** The smallest whole numbers in the same proportion; undefined when four decimals do not hold the weights. */
function toWholeNumbers(weights: readonly number[]): readonly number[] | undefined {
  if (weights.every((weight) => weight === weights[0])) return weights.map(() => 1);
  for (let scale = 1; scale <= 10_000; scale *= 10) {
    const whole = weights.map((weight) => Math.round(weight * scale));
    if (whole.some((value, i) => Math.abs(value - (weights[i] as number) * scale) > 1e-9 * value)) continue;
    const divisor = whole.reduce(greatestCommonDivisor, 0);
    return whole.map((value) => value / divisor);
  }
  return undefined;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function isSame(a: Float64Array, b: Float64Array): boolean {
  return a.every((value, i) => Math.abs(value - (b[i] as number)) < 1e-6);
}

function clamp(turns: number): number {
  return Math.min(1, Math.max(-1, turns));
}
