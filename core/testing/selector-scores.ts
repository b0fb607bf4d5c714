import assert from "node:assert/strict";
import type { Exchange } from "../contract/exchange.ts";
import type { Selector } from "../contract/services.ts";
import type { Target } from "../contract/target.ts";
import { viewTarget } from "../targets/target.ts";
import { fakeExchange, fakeTarget, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { type Fresh, without } from "./selector-play.ts";

/** What it keeps to itself, and what asking costs. */
export function sharing(test: Test, fresh: Fresh): void {
  test("two new instances pick alike", async () => {
    const [one, other] = [await fresh(), await fresh()];
    assert.deepEqual(ids(one.picks(weighing([1, 3, 2, 1]), 50)), ids(other.picks(weighing([1, 3, 2, 1]), 50)));
  });

  test("two instances share nothing", async () => {
    const alone = ids((await fresh()).picks(weighing([1, 3, 2, 1]), 50));
    const [one, other] = [await fresh(), await fresh()];
    const targets = weighing([1, 3, 2, 1]);
    const others = weighing([1, 3, 2, 1]);
    const beside = alone.map((_, i) => {
      other.picks(i % 3 === 0 ? others : fakeTargets(1 + (i % 5)), i % 4);
      return one.picks(targets, 1)[0]?.id;
    });
    assert.deepEqual(beside, alone);
  });

  test("explains each target of the list once, and picks as if it had not", async () => {
    const targets = weighing([1, 3, 0, 2]);
    const silent = ids((await fresh()).picks(targets, 50));
    const { picks, selector } = await fresh();
    const asked = silent.map((_, i) => {
      checkExplained(selector, targets);
      const left = without(targets, targets[i % 4] as Target);
      checkExplained(selector, left, targets.slice(i % 4, (i % 4) + 1));
      return picks(targets, 1)[0]?.id;
    });
    assert.deepEqual(asked, silent);
  });

  test("scores each target at its place, and picks as if it had not", async () => {
    const targets = weighing([1, 3, 0, 2]);
    const silent = ids((await fresh()).picks(targets, 50));
    const { picks, selector } = await fresh();
    const asked = silent.map((_, i) => {
      checkScored(selector, targets);
      checkScored(selector, without(targets, targets[i % 4] as Target), targets.slice(i % 4, (i % 4) + 1));
      return picks(targets, 1)[0]?.id;
    });
    assert.deepEqual(asked, silent);
  });

  test("explains and scores whatever list it is given, new or known, by numbers", async () => {
    const { picks, selector } = await fresh();
    for (const targets of lists()) {
      for (let i = 0; i < 3; i++) {
        checkExplained(selector, targets);
        checkScored(selector, targets);
        picks(targets, 5);
      }
    }
  });
}

/** That each target of the list is explained, in order and by a number. */
export function checkExplained(
  selector: Selector,
  targets: readonly Target[],
  tried: readonly Target[] = [],
  x: Exchange = fakeExchange({ tried }),
): void {
  const scores = selector.explain?.(targets, x);
  if (scores === undefined) return;
  assert.deepEqual(
    scores.map(({ id }) => id),
    ids(targets),
  );
  for (const { id, score, note } of scores) {
    assert.ok(Number.isFinite(score), `explain gives ${id} the score ${score}`);
    assert.ok(note === undefined || (typeof note === "string" && note !== ""), `the note on ${id} says nothing`);
  }
}

/** That each target of the list, and nothing else, is given a score. */
export function checkScored(
  selector: Selector,
  targets: readonly Target[],
  tried: readonly Target[] = [],
  x: Exchange = fakeExchange({ tried }),
): void {
  if (selector.score === undefined) return;
  const into = new Float64Array(targets.length + 2).fill(NaN);
  selector.score(targets, x, into);
  for (const [index, { id }] of targets.entries()) {
    const score = into[index] as number;
    assert.ok(score >= 0 && score < Infinity, `score gives ${id} ${score}`);
  }
  assert.ok(into.subarray(targets.length).every(Number.isNaN), "score writes beyond the list");
}

function lists(): readonly (readonly Target[])[] {
  const face = fakeTarget({ id: "two-faced" });
  return [
    fakeTargets(1),
    fakeTargets(1_000),
    weighing([0, 0, 0]),
    weighing([1e-9, 1e9, 0.5]),
    fakeTargets(3, { live: { inflight: 1e6, requests: 1e9, failures: 1e6, lastFailure: Date.now(), ttfb: 1e6 } }),
    fakeTargets(3, { live: { inflight: -1 } }),
    Object.freeze([
      viewTarget(face, { model: "a" }),
      ...fakeTargets(1),
      viewTarget(face, { model: "b", weight: 2 }),
      viewTarget(face, { weight: 0 }),
    ]),
  ];
}

function weighing(weights: readonly number[]): readonly Target[] {
  return fakeTargets(weights.length, (index) => ({ weight: weights[index] ?? 1 }));
}

function ids(targets: readonly Target[]): string[] {
  return targets.map(({ id }) => id);
}
