import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Target, viewTarget } from "plugboard";
import { type FakeTarget, fakeTarget, fakeTargets } from "plugboard/testing";
import { createLoadHeap, loadOf } from "../../../plugins/select/_load-heap.ts";

test("picks the least loaded after any row of changes, whatever the weights and faces", () => {
  const weights = fc.array(fc.constantFrom(0, 0.25, 1, 1, 3, 1e-9, 1e9), { minLength: 1, maxLength: 30 });
  const changes = fc.array(fc.tuple(fc.nat(99), fc.integer({ min: -2, max: 6 }), fc.boolean()), { maxLength: 80 });
  fc.assert(
    fc.property(weights, fc.nat(40), changes, (given, from, row) => {
      const targets = weighing(given);
      const faces: Target[] = [...targets, ...targets.slice(0, 5).map((target) => viewTarget(target, { weight: 2 }))];
      const heap = createLoadHeap(faces, from);
      for (const [index, inflight, pick] of row) {
        const { live } = targets[index % targets.length] as FakeTarget;
        live.inflight = inflight;
        heap.changed(live);
        if (pick) expect(loads(faces)[heap.next()]).toBe(Math.min(...loads(faces)));
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("picks from among equals the one whose turn is longest ago, through all that changes meanwhile", () => {
  const change = fc.tuple(fc.nat(11), fc.integer({ min: 0, max: 2 }));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (row) => {
      const targets = fakeTargets(12);
      const heap = createLoadHeap(targets, 0);
      const lastTurns = targets.map((_, index) => index - targets.length);
      for (const [turn, [changed, inflight]] of row.entries()) {
        const { live } = targets[changed] as FakeTarget;
        live.inflight = inflight;
        heap.changed(live);
        const picked = heap.next();
        const least = Math.min(...loads(targets));
        const longest = Math.min(...lastTurns.filter((_, index) => loads(targets)[index] === least));
        expect(lastTurns[picked]).toBe(longest);
        lastTurns[picked] = turn;
      }
    }),
    { numRuns: 300, seed: 2 },
  );
});

describe("turns among equals", () => {
  test("go round from the one it is told to begin with", () => {
    expect(turns(fakeTargets(5), 3, 7)).toEqual([3, 4, 0, 1, 2, 3, 4]);
  });

  test("begin with the first when the one to begin with is not there any more", () => {
    expect(turns(fakeTargets(3), 9, 4)).toEqual([0, 1, 2, 0]);
  });

  test("are taken by all where none has a weight", () => {
    expect(turns(weighing([0, 0, 0]), 0, 4)).toEqual([0, 1, 2, 0]);
  });

  test("are not taken by one of weight 0 while another has a weight", () => {
    expect(turns(weighing([0, 1, 0, 1]), 0, 4)).toEqual([1, 3, 1, 3]);
    // The load of so small a weight is as infinite as that of none.
    expect(turns(weighing([0, Number.MIN_VALUE, 0]), 0, 2)).toEqual([1, 1]);
  });
});

test("moves every face of a target when its counters change", () => {
  const [one, other] = fakeTargets(2) as unknown as readonly [FakeTarget, FakeTarget];
  const faces = [one, viewTarget(one, { model: "a" }), other, viewTarget(one, { model: "b" })];
  const heap = createLoadHeap(faces, 0);
  one.live.inflight = 1;
  heap.changed(one.live);
  expect([heap.next(), heap.next()]).toEqual([2, 2]);
  one.live.inflight = 0;
  heap.changed(one.live);
  expect([heap.next(), heap.next(), heap.next()].toSorted((a, b) => a - b)).toEqual([0, 1, 3]);
});

test("heeds no change of a target that it does not hold, or that takes no turns", () => {
  const targets = weighing([1, 0, 1]);
  const heap = createLoadHeap(targets, 0);
  const { live } = targets[1] as FakeTarget;
  for (const inflight of [5, 0]) {
    live.inflight = inflight;
    heap.changed(live);
    heap.changed(fakeTarget({ live: { inflight } }).live);
    expect([heap.next(), heap.next()]).toEqual([0, 2]);
  }
});

test("takes a count below zero for none", () => {
  const targets = fakeTargets(2);
  const heap = createLoadHeap(targets, 0);
  const { live } = targets[1] as FakeTarget;
  live.inflight = -5;
  heap.changed(live);
  expect([heap.next(), heap.next(), heap.next()]).toEqual([0, 1, 0]);
});

function weighing(weights: readonly number[]): readonly FakeTarget[] {
  return fakeTargets(weights.length, (index) => ({ weight: weights[index] ?? 1 }));
}

function loads(targets: readonly Target[]): number[] {
  const weightless = targets.every(({ weight }) => weight === 0);
  return targets.map((target) => loadOf(target, weightless));
}

function turns(targets: readonly Target[], from: number, count: number): number[] {
  const heap = createLoadHeap(targets, from);
  return Array.from({ length: count }, () => heap.next());
}
