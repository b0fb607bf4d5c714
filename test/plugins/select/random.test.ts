import { expect, test } from "vitest";
import { random } from "plugboard/plugins/select/random";
import {
  fakeExchange,
  fakePool,
  fakeTargets,
  seededRandom,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { saying, withProxy } from "./upstreams.ts";

const create = () => random({ random: seededRandom(1) });

testSelector({ test, create, law: ["proportional", "frugal"] });

testPlugin({
  test,
  create,
  badOptions: [
    { options: { random: 0.5 }, says: "random: Expected a function" },
    { options: { randm: Math.random }, says: 'did you mean "random"?' },
  ],
});

test("lays the targets on a line, each as long as its weight", async () => {
  const targets = fakeTargets(4, (index) => ({ weight: [1, 0, 2, 1][index] ?? 1 }));
  const picked = await Promise.all(
    [0, 0.249, 0.25, 0.749, 0.75, 0.999_999].map(async (point) => {
      const selector = await selectorOf(random({ random: () => point }), fakePool(targets));
      return selector.pick(targets, fakeExchange())?.id;
    }),
  );
  expect(picked).toEqual(["t1", "t1", "t3", "t3", "t4", "t4"]);
});

test("uses Math.random unless told otherwise", async () => {
  const targets = fakeTargets(3);
  const selector = await selectorOf(random(), fakePool(targets));
  const seen = new Set(Array.from({ length: 200 }, () => selector.pick(targets, fakeExchange())?.id));
  expect(seen.size).toBe(3);
});

test("explains how likely each target is", async () => {
  const targets = fakeTargets(3, (index) => ({ weight: index }));
  const selector = await selectorOf(create(), fakePool(targets));
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: 0, note: "picked 0 % of the time" },
    { id: "t2", score: 1 / 3, note: "picked 33.3 % of the time" },
    { id: "t3", score: 2 / 3, note: "picked 66.7 % of the time" },
  ]);
});

test("sends to the upstream on which the number falls, and to another when that refuses", async () => {
  const points = [0, 0.9, 0.5, 0.1, 0.9];
  await withProxy(random({ random: () => points.shift() ?? 0 }), [saying("a"), null, saying("c")], async (get) => {
    expect([await get(), await get(), await get(), await get()]).toEqual(["a", "c", "a", "c"]);
  });
});
