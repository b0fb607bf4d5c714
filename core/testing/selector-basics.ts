import assert from "node:assert/strict";
import type { Selector } from "../contract/services.ts";
import type { Pool, Target } from "../contract/target.ts";
import { fakeExchange, fakeOutcome, fakePool, type FakeTarget, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { hold, pick, picks } from "./selector-play.ts";

/** Makes the selector of a new instance. */
export type Fresh = (pool?: Pool) => Promise<Selector>;

/** What it picks from a list. */
export function picking(test: Test, fresh: Fresh): void {
  test("picks from the list it is given, whatever its length", async () => {
    for (const length of [1, 2, 3, 1000]) {
      const selector = await fresh();
      picks(selector, fakeTargets(length), 50 + 2 * length);
    }
  });

  test("picks from a list of which only some have a weight of their own", async () => {
    const selector = await fresh();
    picks(selector, weighing([1, 5, 1]), 50);
    picks(selector, weighing([0.25, 1, 1_000_000, 1, 1e-9]), 50);
  });

  test("picks when all are busy, failing or unmeasured", async () => {
    const selector = await fresh();
    picks(selector, fakeTargets(3, { live: { inflight: 1e6, requests: 1e9 } }), 50);
    picks(selector, fakeTargets(3, { live: { failures: 1e6, lastFailure: Date.now() } }), 50);
    picks(
      selector,
      fakeTargets(3, (index) => ({ live: { ttfb: index * 100 } })),
      50,
    );
  });

  test("never picks a target of weight 0 while another has a weight", async () => {
    for (const weights of [
      [0, 1],
      [1, 0],
      [0, 2, 0, 1, 0],
      [0, 0, 0.5],
    ]) {
      const selector = await fresh();
      const targets = weighing(weights, (weight) => (weight > 0 ? 100 : 0));
      for (const picked of picks(selector, targets, 200))
        assert.ok(picked.weight > 0, `picked ${picked.id} of weight 0`);
    }
  });

  test("picks although every weight is 0", async () => {
    picks(await fresh(), weighing([0, 0, 0]), 50);
  });

  test("changes neither the list nor the targets", async () => {
    const selector = await fresh();
    const targets = fakeTargets(5, (index) => ({
      weight: index + 1,
      live: { inflight: 5 - index },
    }));
    const before = JSON.stringify(targets);
    for (let i = 0; i < 50; i++) {
      pick(selector, targets);
      selector.explain?.(targets, fakeExchange());
    }
    assert.equal(JSON.stringify(targets), before);
  });
}

/** What it does when the list changes. */
export function changing(test: Test, fresh: Fresh): void {
  test("never picks a target that has left, and goes on when targets come back", async () => {
    const all = fakeTargets(6);
    const pool = fakePool(all);
    const selector = await fresh(pool);
    for (const members of ["012", "12", "34", "012345", "5", "0", "543210", "135", "024", "012345"]) {
      pool.change(
        all,
        Array.from(members, (index) => all[Number(index)] as Target),
      );
      selector.update?.(pool.snapshot);
      picks(selector, pool.snapshot.available, 20);
    }
  });

  test("never picks a target that has left the pool, and goes on after an empty pool", async () => {
    const pool = fakePool(fakeTargets(3));
    const selector = await fresh(pool);
    for (const length of [3, 0, 2, 4, 1]) {
      pool.change(fakeTargets(length));
      selector.update?.(pool.snapshot);
      if (length > 0) picks(selector, pool.snapshot.available, 20);
    }
  });

  test("returns the target as it stands in the list, not as it was before a reload", async () => {
    const pool = fakePool(weighing([1, 1]));
    const selector = await fresh(pool);
    picks(selector, pool.snapshot.available, 20);
    pool.change(weighing([1, 2]));
    selector.update?.(pool.snapshot);
    picks(selector, pool.snapshot.available, 20);
  });

  test("picks for a retry from what is left, and from all again after it", async () => {
    const targets = fakeTargets(4);
    const selector = await fresh(fakePool(targets));
    for (let i = 0; i < 40; i++) {
      const tried: Target[] = [];
      for (let left: readonly Target[] = targets; left.length > 0; left = without(targets, tried)) {
        tried.push(pick(selector, left, fakeExchange({ tried: [...tried] })));
      }
    }
  });
}

/** What it does with attempts that do not go the usual way. */
export function counting(test: Test, fresh: Fresh): void {
  test("picks when the client is gone already", async () => {
    const targets = fakeTargets(3);
    const selector = await fresh(fakePool(targets));
    const x = fakeExchange({ signal: AbortSignal.abort() });
    const picked = pick(selector, targets, x);
    selector.attemptStart?.(picked, x);
    selector.attemptEnd?.(picked, fakeOutcome({ kind: "client-abort", status: 0, ttfb: 0 }), fakeExchange());
    picks(selector, targets, 20);
  });

  test("goes on when attempts end twice, never began, never end, or belong to a target that is gone", async () => {
    const [gone, ...rest] = fakeTargets(4);
    const targets = Object.freeze(rest);
    const selector = await fresh(fakePool(targets));
    const [first, second] = targets as unknown as [Target, Target];
    for (const kind of [
      "ok",
      "status",
      "connect",
      "reset",
      "timeout",
      "stalled",
      "stream-error",
      "client-abort",
    ] as const) {
      selector.attemptEnd?.(gone as Target, fakeOutcome({ kind }), fakeExchange());
      selector.attemptEnd?.(first, fakeOutcome({ kind }), fakeExchange());
      selector.attemptStart?.(first, fakeExchange());
      selector.attemptEnd?.(first, fakeOutcome({ kind }), fakeExchange());
      selector.attemptEnd?.(first, fakeOutcome({ kind }), fakeExchange());
      selector.attemptStart?.(second, fakeExchange());
      picks(selector, targets, 20);
    }
  });

  test("does not flood a target whose attempts ended more often than they began", async () => {
    const targets = fakeTargets(4);
    const spoilt = targets[0] as FakeTarget;
    const even = await fresh(fakePool(targets));
    const uneven = await fresh(fakePool(targets));
    for (let i = 0; i < 1_000; i++) {
      even.attemptStart?.(spoilt, fakeExchange());
      if (i === 0) uneven.attemptStart?.(spoilt, fakeExchange());
      for (const selector of [even, uneven]) selector.attemptEnd?.(spoilt, fakeOutcome(), fakeExchange());
    }
    const fair = hold(even, targets, 200).get("t1") ?? 0;
    const got = hold(uneven, targets, 200).get("t1") ?? 0;
    // Chance alone moves 200 picks of one in four by 6; five times that is one case in a million.
    assert.ok(got <= fair + 31, `t1 got ${got} of 200 picks, ${fair} when its attempts were counted right`);
  });
}

/** What it keeps, and what asking costs. */
export function sharing(test: Test, fresh: Fresh): void {
  test("two new instances pick alike", async () => {
    const targets = weighing([1, 3, 2, 1]);
    assert.deepEqual(ids(picks(await fresh(), targets, 50)), ids(picks(await fresh(), targets, 50)));
  });

  test("two instances share nothing", async () => {
    const targets = weighing([1, 3, 2, 1]);
    const alone = ids(picks(await fresh(), targets, 50));
    const [one, other] = [await fresh(), await fresh()];
    const beside = alone.map((_, i) => {
      picks(other, i % 3 === 0 ? targets : fakeTargets(1 + (i % 5)), i % 4);
      return pick(one, targets).id;
    });
    assert.deepEqual(beside, alone);
  });

  test("explains each target of the list once, and picks as if it had not", async () => {
    const targets = weighing([1, 3, 0, 2], (weight) => weight);
    const silent = ids(picks(await fresh(), targets, 50));
    const selector = await fresh();
    const asked = silent.map(() => {
      const scores = selector.explain?.(targets, fakeExchange()) ?? targets.map(({ id }) => ({ id, score: 0 }));
      assert.deepEqual(
        scores.map(({ id }) => id),
        ids(targets),
      );
      for (const { id, score } of scores) assert.ok(Number.isFinite(score), `the score of ${id} is ${score}`);
      return pick(selector, targets).id;
    });
    assert.deepEqual(asked, silent);
  });
}

function weighing(weights: readonly number[], inflight: (weight: number) => number = () => 0): readonly FakeTarget[] {
  return fakeTargets(weights.length, (index) => {
    const weight = weights[index] ?? 1;
    return { weight, live: { inflight: inflight(weight) } };
  });
}

function without(targets: readonly Target[], tried: readonly Target[]): readonly Target[] {
  return Object.freeze(targets.filter((target) => !tried.includes(target)));
}

function ids(targets: readonly Target[]): string[] {
  return targets.map(({ id }) => id);
}
