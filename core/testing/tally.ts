import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";
import { faceOf } from "./selector-play.ts";

export interface Tally {
  add(targets: readonly Target[], picked: Target): void;
  check(): void;
}

/**
 * Makes a tally of picks against what the weights of the list of each pick let expect; two faces of one target count
 * apart. The bound is five standard deviations of independent picks: chance alone fails one comparison in 1.7 million.
 */
export function createTally(): Tally {
  const lists = new Map<readonly Target[], number>();
  const picks = new Map<string, number>();
  return {
    add(targets, picked) {
      const face = faceOf(picked);
      lists.set(targets, (lists.get(targets) ?? 0) + 1);
      picks.set(face, (picks.get(face) ?? 0) + 1);
    },
    check() {
      for (const [face, { part, variance }] of expectations(lists)) {
        const picked = picks.get(face) ?? 0;
        const off = deviation(variance);
        const message = `${face} was picked ${picked} times, its part is ${part.toFixed(1)} within ${off.toFixed(1)}`;
        assert.ok(Math.abs(picked - part) <= off, message);
      }
    },
  };
}

/** How far `picks` of a target may be from its part, each by chance. */
export function deviationOf(picks: number, part: number): number {
  return deviation(picks * part * (1 - part));
}

function deviation(variance: number): number {
  return 1 + 5 * Math.sqrt(variance);
}

function expectations(lists: ReadonlyMap<readonly Target[], number>): Map<string, { part: number; variance: number }> {
  const expected = new Map<string, { part: number; variance: number }>();
  for (const [targets, count] of lists) {
    const total = targets.reduce((sum, { weight }) => sum + weight, 0);
    for (const target of targets) {
      const part = total > 0 ? target.weight / total : 1 / targets.length;
      const before = expected.get(faceOf(target)) ?? { part: 0, variance: 0 };
      expected.set(faceOf(target), {
        part: before.part + count * part,
        variance: before.variance + count * part * (1 - part),
      });
    }
  }
  return expected;
}
