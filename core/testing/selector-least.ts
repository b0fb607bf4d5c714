import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";
import { seededRandom } from "../seeded-random.ts";
import { fakeExchange, type FakeTarget, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { type Fresh, without } from "./selector-play.ts";
import { viewTarget } from "../targets/target.ts";
import { createTally } from "./tally.ts";

export function least(test: Test, fresh: Fresh): void {
  test("picks the one with the fewest requests under way", async () => {
    assert.equal((await fresh()).pick(loaded([3, 1, 2])).id, "t2");
  });

  test("picks the second when the least busy one has left the list", async () => {
    const all = loaded([3, 1, 2]);
    const play = await fresh(all);
    play.pick(all);
    assert.equal(play.pick(without(all, all[1] as Target)).id, "t3");
    assert.equal(play.pick(play.change(all, without(all, all[1] as Target))).id, "t3");
    assert.equal(play.pick(play.change(all)).id, "t2");
  });

  test("picks one that has no load yet over one that has, on either side", async () => {
    assert.equal((await fresh()).pick(loaded([2, 0])).id, "t2");
    assert.equal((await fresh()).pick(loaded([0, 2])).id, "t1");
    const play = await fresh(loaded([2, 3]));
    assert.equal(play.pick(play.change(loaded([2, 3, 0]))).id, "t3");
  });

  test("sets the requests of a target against the weight of each of its faces", async () => {
    const [one, other] = loaded([3, 2]) as unknown as readonly [Target, Target];
    const plain = viewTarget(one, { model: "a" });
    const play = await fresh([one, other]);
    assert.equal(play.pick(Object.freeze([plain, other, viewTarget(one, { model: "b" })])), other);
    const heavy = viewTarget(one, { model: "b", weight: 4 });
    assert.equal(play.pick(Object.freeze([plain, other, heavy])), heavy);
  });

  test("sets requests under way against the weight", async () => {
    assert.equal((await fresh()).pick(loaded([3, 1], [4, 1])).id, "t1");
    assert.equal((await fresh()).pick(loaded([3, 1], [1, 1])).id, "t2");
    assert.equal((await fresh()).pick(loaded([1, 1, 1], [1, 1, 2])).id, "t3");
  });

  test("fills targets in proportion to their weights", async () => {
    const targets = loaded([0, 0, 0], [1, 3, 0.5]);
    for (const [target, got] of (await fresh(targets)).hold(targets, 450)) {
      const part = target.weight * 100;
      assert.ok(Math.abs(got - part) <= 2, `${target.id} got ${got} of 450, ${part} are its part`);
    }
  });

  test("fills a thousand targets evenly", async () => {
    const targets = fakeTargets(1_000);
    const held = [...(await fresh(targets)).hold(targets, 3_500).values()];
    assert.ok(Math.min(...held) >= 3 && Math.max(...held) <= 4, "some got more than 4 of 3,500, or less than 3");
  });

  test("picks the least busy of many while attempts of other routes begin and end", async () => {
    const random = seededRandom(5);
    const all = fakeTargets(400, (index) => ({ weight: [0.5, 1, 2, 0][index % 4] ?? 1 }));
    const play = await fresh(all);
    let available = all as readonly Target[];
    for (let round = 0; round < 2_000; round++) {
      if (round % 500 === 499) available = play.change(all, all.slice(round % 7, 300 + (round % 11)));
      play.load(all[Math.floor(random() * all.length)] as Target, Math.floor(random() * 4));
      const picked = play.pick(available);
      const lowest = Math.min(...available.map(busy));
      assert.ok(busy(picked) <= lowest, `picked ${picked.id}, which is ${busy(picked)} busy; the least is ${lowest}`);
      play.begin(picked, fakeExchange());
    }
  });

  test("lets those alike take turns, be it all of them or a few", async () => {
    const tally = createTally();
    const all = loaded([0, 0, 0, 0]);
    for (const picked of (await fresh()).picks(all, 4_000)) tally.add(all, picked);
    const few = loaded([0, 7, 0, 7, 7, 7]);
    const idle = few.filter(({ live }) => live.inflight === 0);
    for (const picked of (await fresh()).picks(few, 4_000)) tally.add(idle, picked);
    tally.check();
  });

  test("does not take a count below zero for less than nothing", async () => {
    const targets = loaded([0, -5, 0]);
    const tally = createTally();
    for (const picked of (await fresh()).picks(targets, 3_000)) tally.add(targets, picked);
    tally.check();
  });
}

function busy({ live, weight }: Target): number {
  return (live.inflight + 1) / weight;
}

function loaded(inflight: readonly number[], weights: readonly number[] = []): readonly FakeTarget[] {
  return fakeTargets(inflight.length, (index) => ({
    weight: weights[index] ?? 1,
    live: { inflight: inflight[index] ?? 0 },
  }));
}
