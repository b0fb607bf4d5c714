import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";

export interface Tally {
  add(targets: readonly Target[], picked: Target): void;
  check(): void;
}

/**
 * Makes a tally of picks against what the weights of the list of each pick let expect. The bound is five standard
 * deviations of independent picks: chance alone fails one comparison in 1.7 million.
 */
export function createTally(): Tally {
  const lists = new Map<readonly Target[], number>();
  const picks = new Map<string, number>();
  return {
    add(targets, { id }) {
      lists.set(targets, (lists.get(targets) ?? 0) + 1);
      picks.set(id, (picks.get(id) ?? 0) + 1);
    },
    check() {
      for (const [id, { part, variance }] of expectations(lists)) {
        const picked = picks.get(id) ?? 0;
        const bound = 1 + 5 * Math.sqrt(variance);
        const message = `${id} was picked ${picked} times, its part is ${part.toFixed(1)} within ${bound.toFixed(1)}`;
        assert.ok(Math.abs(picked - part) <= bound, message);
      }
    },
  };
}

function expectations(lists: ReadonlyMap<readonly Target[], number>): Map<string, { part: number; variance: number }> {
  const expected = new Map<string, { part: number; variance: number }>();
  for (const [targets, count] of lists) {
    const total = targets.reduce((sum, { weight }) => sum + weight, 0);
    for (const { id, weight } of targets) {
      const part = total > 0 ? weight / total : 1 / targets.length;
      const before = expected.get(id) ?? { part: 0, variance: 0 };
      expected.set(id, { part: before.part + count * part, variance: before.variance + count * part * (1 - part) });
    }
  }
  return expected;
}
