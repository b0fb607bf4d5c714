import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";
import { fakeExchange, fakePool, type FakeTarget, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import type { Fresh } from "./selector-basics.ts";
import { hold, pick, picks } from "./selector-play.ts";
import { createTally } from "./tally.ts";

export type SelectorLaw = "proportional" | "ordered" | "least";

/** The cases that a selector asks for by claiming a law. */
export const laws: Readonly<Record<SelectorLaw, (test: Test, fresh: Fresh) => void>> = {
  proportional,
  ordered,
  least,
};

function proportional(test: Test, fresh: Fresh): void {
  const mixes = [
    [1, 1, 1],
    [1, 5, 1],
    [5, 1, 1],
    [1, 2, 3, 4],
    [0, 1, 0, 3],
    [0, 0],
    [1000, 1],
    [0.5, 1.5, 2.25],
    [1 / 3, 1, 2e5],
  ];
  for (const weights of mixes) {
    test(`picks in proportion to the weights ${weights.map((weight) => Number(weight.toFixed(3))).join(" : ")}`, async () => {
      const targets = fakeTargets(weights.length, (index) => ({ weight: weights[index] ?? 1 }));
      const tally = createTally();
      for (const picked of picks(await fresh(), targets, 6_000)) tally.add(targets, picked);
      tally.check();
    });
  }

  test("picks in proportion among 100 targets", async () => {
    const targets = fakeTargets(100, (index) => ({ weight: 1 + (index % 7) }));
    const tally = createTally();
    for (const picked of picks(await fresh(), targets, 6_000)) tally.add(targets, picked);
    tally.check();
  });

  test("stays in proportion while targets come and go", async () => {
    const all = fakeTargets(5, (index) => ({ weight: [1, 2, 3, 1, 1][index] ?? 1 }));
    await churn(
      fresh,
      all,
      (round) => all.filter((_, index) => index !== round % 5),
      (round) => 1 + (round % 7),
    );
  });

  test("stays in proportion while one target comes and goes with every pick", async () => {
    const all = fakeTargets(3);
    await churn(
      fresh,
      all,
      (round) => (round % 2 === 0 ? all : all.slice(0, 2)),
      () => 1,
    );
  });

  test("stays in proportion while discovery shuffles the list", async () => {
    const all = fakeTargets(4);
    await churn(
      fresh,
      all,
      (round) => [...all.slice(round % 4), ...all.slice(0, round % 4)],
      () => 1,
    );
  });

  test("gives a newcomer no more than its part", async () => {
    const pool = fakePool(fakeTargets(4));
    const selector = await fresh(pool);
    picks(selector, pool.snapshot.available, 1_001);
    pool.change(fakeTargets(5));
    selector.update?.(pool.snapshot);
    const tally = createTally();
    for (const picked of picks(selector, pool.snapshot.available, 1_000)) tally.add(pool.snapshot.available, picked);
    tally.check();
  });

  test("stays in proportion when one target fails and its requests are tried elsewhere", async () => {
    const targets = fakeTargets(4, (index) => ({ weight: [2, 1, 1, 3][index] ?? 1 }));
    const selector = await fresh(fakePool(targets));
    const [failing, ...others] = targets as readonly [Target, ...Target[]];
    const [first, again] = [createTally(), createTally()];
    const retry = fakeExchange({ tried: [failing] });
    for (let i = 0; i < 14_000; i++) {
      const picked = pick(selector, targets);
      first.add(targets, picked);
      if (picked === failing) again.add(others, pick(selector, Object.freeze([...others]), retry));
    }
    first.check();
    again.check();
  });
}

function ordered(test: Test, fresh: Fresh): void {
  test("picks the first of the list, each time", async () => {
    const targets = fakeTargets(3);
    for (const picked of picks(await fresh(), targets, 20)) assert.equal(picked.id, "t1");
  });

  test("picks the next in order when the first is gone, and the first when it is back", async () => {
    const all = fakeTargets(3);
    const selector = await fresh(fakePool(all));
    for (const from of [0, 1, 2, 1, 0]) assert.equal(pick(selector, Object.freeze(all.slice(from))).id, `t${from + 1}`);
  });

  test("follows the list when its order changes", async () => {
    const all = fakeTargets(3);
    const selector = await fresh(fakePool(all));
    pick(selector, all);
    assert.equal(pick(selector, Object.freeze(all.toReversed())).id, "t3");
  });

  test("passes over weight 0, and heeds no other weight or load", async () => {
    const targets = fakeTargets(3, (index) => ({
      weight: [0, 1, 9][index] ?? 1,
      live: { inflight: index === 1 ? 99 : 0 },
    }));
    assert.equal(pick(await fresh(), targets).id, "t2");
  });
}

function least(test: Test, fresh: Fresh): void {
  test("picks the one with the fewest requests under way", async () => {
    assert.equal(pick(await fresh(), loaded([3, 1, 2])).id, "t2");
  });

  test("picks the second when the least busy one has left the list", async () => {
    const all = loaded([3, 1, 2]);
    const selector = await fresh(fakePool(all));
    pick(selector, all);
    assert.equal(pick(selector, Object.freeze(all.filter(({ id }) => id !== "t2"))).id, "t3");
  });

  test("sets requests under way against the weight", async () => {
    assert.equal(pick(await fresh(), loaded([3, 1], [4, 1])).id, "t1");
    assert.equal(pick(await fresh(), loaded([3, 1], [1, 1])).id, "t2");
    assert.equal(pick(await fresh(), loaded([1, 1, 1], [1, 1, 2])).id, "t3");
  });

  test("fills targets in proportion to their weights", async () => {
    const targets = loaded([0, 0, 0], [1, 3, 0.5]);
    const held = hold(await fresh(), targets, 450);
    for (const [id, part] of [
      ["t1", 100],
      ["t2", 300],
      ["t3", 50],
    ] as const) {
      assert.ok(Math.abs((held.get(id) ?? 0) - part) <= 2, `${id} got ${held.get(id)} of 450, ${part} are its part`);
    }
  });

  test("lets those alike take turns, be it all of them or a few", async () => {
    const tally = createTally();
    const all = loaded([0, 0, 0, 0]);
    for (const picked of picks(await fresh(), all, 4_000)) tally.add(all, picked);
    const few = loaded([0, 7, 0, 7, 7, 7]);
    const idle = few.filter(({ live }) => live.inflight === 0);
    for (const picked of picks(await fresh(), few, 4_000)) tally.add(idle, picked);
    tally.check();
  });

  test("does not take a count below zero for less than nothing", async () => {
    const targets = loaded([0, -5, 0]);
    const tally = createTally();
    for (const picked of picks(await fresh(), targets, 3_000)) tally.add(targets, picked);
    tally.check();
  });
}

function loaded(inflight: readonly number[], weights: readonly number[] = []): readonly FakeTarget[] {
  return fakeTargets(inflight.length, (index) => ({
    weight: weights[index] ?? 1,
    live: { inflight: inflight[index] ?? 0 },
  }));
}

async function churn(
  fresh: Fresh,
  all: readonly Target[],
  members: (round: number) => readonly Target[],
  turns: (round: number) => number,
): Promise<void> {
  const pool = fakePool(all);
  const selector = await fresh(pool);
  const tally = createTally();
  for (let round = 0; round < 4_000; round++) {
    pool.change(all, members(round));
    selector.update?.(pool.snapshot);
    for (const picked of picks(selector, pool.snapshot.available, turns(round)))
      tally.add(pool.snapshot.available, picked);
  }
  tally.check();
}
