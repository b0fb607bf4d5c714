import { describe, expect, test } from "vitest";
import type { Target } from "plugboard";
import { fakeTargets, seededRandom } from "plugboard/testing";
import { hashParts } from "../../../plugins/select/_hash.ts";
import { findHighest, toRing } from "../../../plugins/select/_rendezvous.ts";

test("picks as every process and every release does: moving all sessions at once empties all caches", () => {
  const names = ["alice", "bob", "carol", "dave", "eve", "frank", "grace", "heidi"];
  expect(homes(fakeTargets(10), names).join(" ")).toBe("t1 t4 t8 t10 t7 t8 t10 t2");
  const weighted = fakeTargets(3, (index) => ({ weight: [1, 2.5, 0.3][index] ?? 1 }));
  expect(homes(weighted, names).join(" ")).toBe("t1 t1 t1 t2 t2 t1 t2 t2");
});

describe("shares", () => {
  test("of equal targets differ by chance only", () => {
    // Chi-square with 99 degrees of freedom: above 180 is one case in a million.
    expect(chiSquare(fakeTargets(100), some(50_000))).toBeLessThan(180);
  });

  test("follow the weights", () => {
    const targets = fakeTargets(25, (index) => ({ weight: [0, 0.1, 1, 2, 3.5][index % 5] ?? 1 }));
    const keys = some(50_000);
    const weightless = targets.filter(({ weight }) => weight === 0).map(({ id }) => id);
    expect(homes(targets, keys).filter((id) => weightless.includes(id))).toEqual([]);
    // 19 degrees of freedom: above 66 is one case in two million.
    expect(chiSquare(targets, keys)).toBeLessThan(66);
  });

  test("of those that take over from a target are as even as all", () => {
    const targets = fakeTargets(21);
    const keys = some(80_000);
    const strays = homes(targets, keys).flatMap((id, i) => (id === "t1" ? [keys[i] as string] : []));
    // 19 degrees of freedom.
    expect(chiSquare(targets.slice(1), strays)).toBeLessThan(66);
  });

  test("are even for ids that hardly differ, and for keys that count up", () => {
    const targets = fakeTargets(64, (index) => ({ id: `http://10.0.0.${index}:8000` }));
    // 63 degrees of freedom: above 131 is one case in a million.
    expect(
      chiSquare(
        targets,
        Array.from({ length: 32_000 }, (_, i) => String(i)),
      ),
    ).toBeLessThan(131);
  });

  test("are had by each of ten thousand", () => {
    // 3,000 draws from 10,000 hit 2,592 of them on average, with a deviation of 18; five of them are 92.
    expect(Math.abs(new Set(homes(fakeTargets(10_000), some(3_000))).size - 2_592)).toBeLessThan(92);
  }, 20_000);
});

describe("when targets come and go", () => {
  test("a tenth moves to the tenth target, and no key between the others", () => {
    const ten = fakeTargets(10);
    const keys = some(10_000);
    const [before, after] = [homes(ten.slice(0, 9), keys), homes(ten, keys)];
    const moved = after.filter((id, i) => id !== before[i]);
    expect(new Set(moved)).toEqual(new Set(["t10"]));
    // 10,000 trials of one in ten: mean 1,000; five deviations are 150.
    expect(Math.abs(moved.length - 1_000)).toBeLessThan(150);
  });

  test("a heavier weight draws keys to it, and moves none between the others", () => {
    const heavier = fakeTargets(5, (index) => ({ weight: index === 2 ? 3 : 1 }));
    const keys = some(2_000);
    const before = homes(fakeTargets(5), keys);
    const moved = homes(heavier, keys).filter((id, i) => id !== before[i]);
    expect(new Set(moved)).toEqual(new Set(["t3"]));
    // From a fifth to three sevenths: 457 of 2,000; five deviations are 95.
    expect(Math.abs(moved.length - 457)).toBeLessThan(95);
  });

  test("the order of the list changes nothing, not even among weights of all kinds", () => {
    const targets = fakeTargets(12, (index) => ({ weight: [0.5, 1, 1_000_000, 1e-9][index % 4] ?? 1 }));
    const keys = some(500);
    expect(homes(targets.toReversed(), keys)).toEqual(homes(targets, keys));
  });
});

test("gives the same one of two that score alike, wherever they stand", () => {
  for (const targets of [fakeTargets(2), fakeTargets(2).toReversed()]) {
    const ring = toRing(targets);
    const alike = { ...ring, hashes: new Int32Array(2), others: new Int32Array(2) };
    expect(targets[findHighest(alike, hashesOf("key"), 0)]?.id).toBe("t1");
  }
});

function homes(targets: readonly Target[], keys: readonly string[]): string[] {
  const ring = toRing(targets);
  return keys.map((key) => targets[findHighest(ring, hashesOf(key), 0)]?.id as string);
}

function hashesOf(key: string): Int32Array {
  const hashes = new Int32Array(2);
  hashParts([key], Infinity, hashes);
  return hashes;
}

/** Keys as they come: the same each time. */
function some(count: number): readonly string[] {
  const random = seededRandom(count);
  return Array.from({ length: count }, () => random().toString(36).slice(2));
}

function chiSquare(targets: readonly Target[], keys: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const id of homes(targets, keys)) counts.set(id, (counts.get(id) ?? 0) + 1);
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  return targets.reduce((sum, { id, weight }) => {
    const part = (keys.length * weight) / total;
    return part === 0 ? sum : sum + ((counts.get(id) ?? 0) - part) ** 2 / part;
  }, 0);
}
