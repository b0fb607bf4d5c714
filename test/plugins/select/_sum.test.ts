import { expect, test } from "vitest";
import { defineSelector } from "plugboard";
import { fakeExchange, fakeTargets, seededRandom } from "plugboard/testing";
import { list, scoresOf, selectorFor } from "./score-parts.ts";

test("adds up the scores, each over the highest of its part, times its weight", async () => {
  const targets = fakeTargets(3);
  const selector = await selectorFor(targets, [
    [list(10, 5, 0), 1],
    [list(0.001, 0.002, 0.004), 3],
  ]);
  const scores = scoresOf(selector, targets);
  expect(scores[0]).toBeCloseTo((1 + 3 * 0.25) / 4);
  expect(scores[1]).toBeCloseTo((0.5 + 3 * 0.5) / 4);
  expect(scores[2]).toBeCloseTo(3 / 4);
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t3");
});

test("does not make all of a tiny difference", async () => {
  const targets = fakeTargets(2);
  const selector = await selectorFor(targets, [
    [list(100, 101), 1],
    [list(1, 0.9), 1],
  ]);
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
});

test("weights count in proportion, however large or small", async () => {
  const targets = fakeTargets(2);
  for (const unit of [1, 1e308, 5e-324 * 2 ** 40]) {
    const selector = await selectorFor(targets, [
      [list(1, 0), unit * 0.25],
      [list(0, 1), unit],
    ]);
    expect(scoresOf(selector, targets).map((each) => Number(each.toFixed(6)))).toEqual([0.2, 0.8]);
  }
});

test("those alike take turns", async () => {
  const targets = fakeTargets(3);
  const selector = await selectorFor(targets, [[list(2, 1, 2), 1]]);
  const picked = Array.from({ length: 4 }, () => selector.pick(targets, fakeExchange())?.id);
  expect(picked).toEqual(["t1", "t3", "t1", "t3"]);
});

test("what is no score counts as 0 and spoils none of the others", async () => {
  const targets = fakeTargets(5);
  const selector = await selectorFor(targets, [
    [list(NaN, -5, Infinity, 1, 2), 1],
    [list(1, 1, 1, 1, 1), 1],
  ]);
  expect(scoresOf(selector, targets)).toEqual([0.5, 0.5, 0.5, 0.75, 1]);
});

test("a part that scores nobody counts nothing", async () => {
  const targets = fakeTargets(2);
  const silent = defineSelector({ name: "silent", create: () => ({ pick: (all) => all[0], score: () => undefined }) });
  for (const part of [list(0, 0), silent()]) {
    const selector = await selectorFor(targets, [
      [list(1, 2), 1],
      [part, 100],
    ]);
    expect(scoresOf(selector, targets)).toEqual([0.5 / 101, 1 / 101]);
  }
});

test("by chance each gets its part of the sum", async () => {
  const targets = fakeTargets(4);
  const settings = { pick: "random", random: seededRandom(9) } as const;
  const selector = await selectorFor(
    targets,
    [
      [list(4, 2, 1, 0), 1],
      [list(0, 1, 0, 0), 1],
    ],
    settings,
  );
  const parts = [1 / 2.75, 1.5 / 2.75, 0.25 / 2.75, 0];
  const counts = new Map<string | undefined, number>();
  const count = 20_000;
  for (let i = 0; i < count; i++) {
    const id = selector.pick(targets, fakeExchange())?.id;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const [i, part] of parts.entries()) {
    // Five standard deviations: chance alone exceeds them once in 1.7 million.
    const bound = 5 * Math.sqrt(count * part * (1 - part));
    expect(Math.abs((counts.get(`t${i + 1}`) ?? 0) - count * part)).toBeLessThanOrEqual(bound);
  }
});

test("by chance it picks from the list, whatever the number it is given", async () => {
  const targets = fakeTargets(3);
  for (const point of [0, 0.999_999_999_999, 1, 5, -1, NaN]) {
    for (const part of [list(0, 3, 0), list(0, 0, 0)]) {
      const selector = await selectorFor(targets, [[part, 1]], { pick: "random", random: () => point });
      expect(targets).toContain(selector.pick(targets, fakeExchange()));
    }
  }
});
