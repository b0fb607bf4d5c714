import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";
import { seededRandom } from "../seeded-random.ts";
import { fakeExchange, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { consistent } from "./selector-consistent.ts";
import { frugal } from "./selector-frugal.ts";
import { least } from "./selector-least.ts";
import { measured } from "./selector-measured.ts";
import { type Fresh, type Play, type Requests } from "./selector-play.ts";
import { proportional } from "./selector-proportional.ts";
import { sticky } from "./selector-sticky.ts";

export type SelectorLaw =
  | "proportional"
  | "ordered"
  | "least"
  | "best"
  | "consistent"
  | "sticky"
  | "measured"
  | "frugal";

/** The cases that a selector asks for by claiming a law. */
export const laws: Readonly<Record<SelectorLaw, (test: Test, fresh: Fresh, requests: Requests) => void>> = {
  proportional,
  ordered,
  least,
  best,
  consistent,
  sticky,
  measured,
  frugal,
};

function ordered(test: Test, fresh: Fresh): void {
  test("picks the first of the list, each time", async () => {
    const targets = fakeTargets(3);
    for (const picked of (await fresh()).picks(targets, 20)) assert.equal(picked.id, "t1");
  });

  test("picks the next in order when the first is gone, and the first when it is back", async () => {
    const all = fakeTargets(3);
    const play = await fresh(all);
    for (const from of [0, 1, 2, 1, 0]) assert.equal(play.pick(Object.freeze(all.slice(from))).id, `t${from + 1}`);
  });

  test("follows the list when its order changes", async () => {
    const all = fakeTargets(3);
    const play = await fresh(all);
    play.pick(all);
    assert.equal(play.pick(Object.freeze(all.toReversed())).id, "t3");
  });

  test("passes over weight 0, and heeds no other weight or load", async () => {
    const targets = fakeTargets(3, (index) => ({
      weight: [0, 1, 9][index] ?? 1,
      live: { inflight: index === 1 ? 99 : 0 },
    }));
    assert.equal((await fresh()).pick(targets).id, "t2");
  });
}

function best(test: Test, fresh: Fresh): void {
  test("picks one of those that it scores best, whatever is under way and whoever comes and goes", async () => {
    const play = await fresh();
    const random = seededRandom(3);
    for (let round = 0; round < 200; round++) {
      const targets = fakeTargets(1 + Math.floor(random() * 6), () => ({
        weight: [0, 0.5, 1, 1, 2, 5][Math.floor(random() * 6)] ?? 1,
        live: { inflight: Math.floor(random() * 4), requests: 9, ttfb: Math.floor(random() * 90) },
      }));
      const available = play.change(targets);
      checkBest(play, available);
      for (const picked of play.picks(available, 2)) play.begin(picked, fakeExchange());
      checkBest(play, available);
    }
  });
}

/** Less than this share apart is alike: sums of the same numbers in another order. */
const alike = 1e-9;

function checkBest(play: Play, targets: readonly Target[]): void {
  const x = fakeExchange();
  const scores = scoresOf(play, targets);
  const picked = play.pick(targets, x);
  const able = targets.some(({ weight }) => weight > 0) ? targets.filter(({ weight }) => weight > 0) : targets;
  const most = Math.max(...able.map((target) => scores.get(target) as number));
  const got = scores.get(picked) as number;
  assert.ok(got >= most - Math.abs(most) * alike, `picked ${picked.id} of score ${got}, the best has ${most}`);
}

function scoresOf({ selector }: Play, targets: readonly Target[]): Map<Target, number> {
  const x = fakeExchange();
  const into = new Float64Array(targets.length);
  if (selector.score !== undefined) selector.score(targets, x, into);
  else {
    const scores = selector.explain?.(targets, x);
    assert.ok(scores, "the law best needs score or explain");
    into.set(scores.map(({ score }) => score));
  }
  return new Map(targets.map((target, index) => [target, into[index] as number]));
}
