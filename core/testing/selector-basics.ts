import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";
import { seededState } from "./plugin.ts";
import { fakeExchange, type FakeTarget, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { checkExplained, checkScored } from "./selector-scores.ts";
import { type Fresh, without } from "./selector-play.ts";

/** What it picks from a list; `strict` is a case in which it has to pick even if it may decline. */
export function picking(test: Test, fresh: Fresh, strict: Test): void {
  strict("picks from the list it is given, whatever its length", async () => {
    for (const length of [1, 2, 3, 1000]) {
      const play = await fresh();
      play.picks(fakeTargets(length), 50 + 2 * length);
    }
  });

  test("picks from a list of 10,000", async () => {
    const targets = fakeTargets(10_000, (index) => ({ weight: index % 3 }));
    const play = await fresh(targets);
    for (const picked of play.picks(targets, 50)) assert.ok(picked.weight > 0, `picked ${picked.id} of weight 0`);
    play.hold(targets, 50);
    play.picks(without(targets, ...targets.slice(0, 9_000)), 10, () => fakeExchange({ tried: targets.slice(0, 1) }));
  });

  test("picks from a list of which only some have a weight of their own", async () => {
    const play = await fresh();
    play.picks(weighing([1, 5, 1]), 50);
    play.picks(weighing([0.25, 1, 1_000_000, 1, 1e-9]), 50);
  });

  test("picks whichever is the first that is up, with a weight or without", async () => {
    const all = weighing([1, 5, 0, 1, 0.5, 0]);
    const play = await fresh(all);
    for (let from = 0; from < all.length; from++) {
      const available = play.change(all, [...all.slice(from), ...all.slice(0, Math.max(0, from - 2))]);
      for (const picked of play.picks(available, 20)) assert.ok(picked.weight > 0, `picked ${picked.id} of weight 0`);
    }
  });

  test("picks when all are busy, failing or unmeasured", async () => {
    const play = await fresh();
    play.picks(fakeTargets(3, { live: { inflight: 1e6, requests: 1e9 } }), 50);
    play.picks(fakeTargets(3, { live: { failures: 1e6, lastFailure: Date.now() } }), 50);
    play.picks(
      fakeTargets(3, (index) => ({ live: { ttfb: index * 100 } })),
      50,
    );
  });

  test("picks when nothing is known of the load of one", async () => {
    for (const unknown of [0, 1, 2]) {
      const targets = fakeTargets(3, (index) => ({
        live: index === unknown ? {} : { inflight: 2, requests: 9, ttfb: 90 },
      }));
      const play = await fresh(targets);
      checkExplained(play.selector, targets);
      checkScored(play.selector, targets);
      play.picks(targets, 50);
    }
  });

  test("never picks a target of weight 0 while another has a weight", async () => {
    for (const weights of [
      [0, 1],
      [1, 0],
      [0, 2, 0, 1, 0],
      [0, 0, 0.5],
    ]) {
      const targets = weighing(weights, (weight) => (weight > 0 ? 100 : 0));
      const play = await fresh();
      for (const picked of play.picks(targets, 200)) assert.ok(picked.weight > 0, `picked ${picked.id} of weight 0`);
    }
  });

  test("picks although every weight is 0", async () => {
    (await fresh()).picks(weighing([0, 0, 0]), 50);
  });

  test("changes neither the list nor the targets", async () => {
    const { pick, selector } = await fresh();
    const targets = fakeTargets(5, (index) => ({
      weight: index + 1,
      live: { inflight: 5 - index },
    }));
    const before = JSON.stringify(targets);
    for (let i = 0; i < 50; i++) {
      pick(targets);
      selector.explain?.(targets, fakeExchange());
      selector.score?.(targets, fakeExchange(), new Float64Array(5));
    }
    assert.equal(JSON.stringify(targets), before);
  });
}

/** What it does when the list changes. */
export function changing(test: Test, fresh: Fresh): void {
  test("never picks a target that has left, and goes on when targets come back", async () => {
    const all = fakeTargets(6);
    const play = await fresh(all);
    for (const members of ["012", "12", "34", "012345", "5", "0", "543210", "135", "024", "012345"]) {
      const available = Array.from(members, (index) => all[Number(index)] as Target);
      play.picks(play.change(all, available), 20);
    }
  });

  test("never picks a target that has left the pool, and goes on after an empty pool", async () => {
    const play = await fresh(fakeTargets(3));
    for (const length of [3, 0, 2, 4, 1]) {
      const available = play.change(fakeTargets(length));
      if (length > 0) play.picks(available, 20);
    }
  });

  test("returns the target as it stands in the list, not as it was before a reload", async () => {
    const play = await fresh(weighing([1, 1]));
    play.picks(play.pool.snapshot.available, 20);
    play.picks(play.change(weighing([1, 2])), 20);
  });

  test("picks for a retry from what is left, and from all again after it", async () => {
    const targets = fakeTargets(4);
    const play = await fresh(targets);
    for (let i = 0; i < 40; i++) {
      const tried: Target[] = [];
      for (let left: readonly Target[] = targets; left.length > 0; left = without(targets, ...tried)) {
        tried.push(play.pick(left, fakeExchange({ tried: [...tried] })));
      }
    }
  });

  test("keeps over reloads nothing of targets that have left", async () => {
    const kept: unknown[] = [];
    const state = seededState();
    const { keep } = state;
    const watched = <T>(key: string, make: () => T): T => {
      const value = keep(key, make);
      kept.push(value);
      return value;
    };
    const play = await fresh([], Object.assign(state, { keep: watched }));
    for (let round = 0; round < 500; round++) {
      const targets = play.change(fakeTargets(3, (index) => ({ id: `passing-${round}-${index}` })));
      play.picks(targets, 3);
    }
    play.picks(play.change(fakeTargets(3)), 3);
    const left = [...keysIn(kept)].filter((key) => key.includes("passing-"));
    assert.ok(left.length <= 100, `keeps ${left.length} of 1,500 targets that are gone, such as ${left[0]}`);
  });
}

/** All that a value is reached by, down to the last map in it. */
function* keysIn(value: unknown, seen: Set<unknown> = new Set()): Generator<string> {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || seen.has(value)) return;
  seen.add(value);
  const members: Iterable<readonly [unknown, unknown]> =
    value instanceof Map || value instanceof Set ? value.entries() : Object.entries(value);
  for (const [key, member] of members) {
    if (typeof key === "string") yield key;
    else yield* keysIn(key, seen);
    yield* keysIn(member, seen);
  }
}

function weighing(weights: readonly number[], inflight: (weight: number) => number = () => 0): readonly FakeTarget[] {
  return fakeTargets(weights.length, (index) => {
    const weight = weights[index] ?? 1;
    return { weight, live: { inflight: inflight(weight) } };
  });
}
