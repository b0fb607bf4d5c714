import type { Target } from "../../core/index.ts";
import type { Cycle } from "./_cycle.ts";
import { createHeap } from "./_heap.ts";

/** Numbers that have grown larger lose their fractions. */
const farthest = 2 ** 40;

/**
 * Weighted turns of many targets, by earliest deadline first as in Envoy's EDF scheduler: each is due again one gap after
 * its last turn, the sum of all weights through its own, and the one due first is next; of equals the first of the list.
 * A turn costs a way down a heap, and a new list no more than looking at it. The first turn comes half a gap in, which
 * keeps light targets out of the end of each round.
 */
export function createLongCycle(ring: readonly Target[], owed: ReadonlyMap<string, number>): Cycle {
  const total = ring.reduce((sum, target) => sum + weightOf(target), 0);
  const gaps = Float64Array.from(ring, (target) => total / weightOf(target));
  const due = Float64Array.from(ring, ({ id }, i) => gaps[i]! * (0.5 - clamp(owed.get(id) ?? 0)));
  const order = Uint32Array.from(ring, (_, i) => i);
  const heap = createHeap(order, ring.length, (one, other) => {
    const a = due[one]!;
    const b = due[other]!;
    return a < b || (a === b && one < other);
  });
  /** Turns of all so far. */
  let now = 0;

  function rebase(): void {
    for (let i = 0; i < due.length; i++) due[i]! -= now;
    now = 0;
  }

  return {
    ring,
    next() {
      const index = heap.first();
      due[index]! += gaps[index]!;
      heap.sink(index);
      now += 1;
      if (now > farthest) rebase();
      return ring[index]!;
    },
    wait: () => due.map((at) => Math.max(0, at - now)),
    owed: () => due.map((at, i) => 0.5 - (at - now) / gaps[i]!),
  };
}

function weightOf(target: Target): number {
  return target.weight > 0 ? target.weight : 1;
}

function clamp(turns: number): number {
  return Math.min(1, Math.max(-1, turns));
}
