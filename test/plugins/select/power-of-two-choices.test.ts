import { expect, test } from "vitest";
import type { Target } from "plugboard";
import { powerOfTwoChoices } from "plugboard/plugins/select/power-of-two-choices";
import {
  fakeExchange,
  fakePool,
  type FakeTarget,
  fakeTargets,
  seededRandom,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { saying, withProxy } from "./upstreams.ts";

const create = () => powerOfTwoChoices({ random: seededRandom(1) });

testSelector({ test, create, law: "frugal" });

testPlugin({
  test,
  create,
  badOptions: [
    { options: { random: 0.5 }, says: "random: Expected a function" },
    { options: { randm: Math.random }, says: 'did you mean "random"?' },
  ],
});

test("picks the one with fewer requests under way, for its weight", async () => {
  const targets = loading([
    [3, 1],
    [1, 1],
    [5, 4],
  ]);
  expect(await pairs(targets, 6)).toEqual({ "t1 t2": "t2", "t1 t3": "t3", "t2 t3": "t3" });
});

test("picks the first drawn of equals, and takes a count below zero for none", async () => {
  const targets = loading([
    [0, 1],
    [-3, 1],
    [1, 2],
  ]);
  expect(await draw(targets, 0, 0)).toBe("t1");
  expect(await draw(targets, 0.4, 0)).toBe("t2");
  expect(await draw(targets, 0.4, 0.9)).toBe("t2");
  expect(await draw(targets, 0.9, 0.9)).toBe("t3");
});

test("draws two that differ, every pair as often as any other", async () => {
  // The loads tell by who wins which pair it was: t1 beats all, t2 all but t1.
  const targets = loading([
    [0, 1],
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  const counts = await count(targets, 12_000);
  // Of 6 pairs t1 wins 3, t2 two, t3 one, and t4 would only win against itself. Five standard deviations.
  for (const [id, chance] of Object.entries({ t1: 1 / 2, t2: 1 / 3, t3: 1 / 6, t4: 0 })) {
    const off = 5 * Math.sqrt(12_000 * chance * (1 - chance));
    expect(Math.abs((counts[id] ?? 0) - 12_000 * chance)).toBeLessThanOrEqual(off);
  }
});

test("draws by weight no more often, and one of weight 0 never", async () => {
  const counts = await count(
    loading([
      [0, 1],
      [99, 100],
      [0, 0],
    ]),
    3_000,
  );
  // t1 and t2 are even, so each wins when it is drawn first. Five standard deviations are 137.
  expect(Math.abs((counts["t1"] ?? 0) - 1_500)).toBeLessThanOrEqual(137);
  expect(counts["t3"]).toBeUndefined();
});

test("sets no target against one of weight 0", async () => {
  const loads = [0, 9, 0, 0, 0, 0].map((inflight, index) => [inflight, index < 2 ? 1 : 0] as const);
  expect(await count(loading(loads), 500)).toEqual({ t1: 500 });
});

test("picks the only one there is, or that has a weight", async () => {
  for (const point of [0, 0.5, 0.999]) {
    const selector = await selectorOf(powerOfTwoChoices({ random: () => point }), fakePool());
    const lists = [fakeTargets(1), fakeTargets(1, { weight: 0 }), fakeTargets(3, (index) => ({ weight: index % 2 }))];
    expect(lists.map((targets) => selector.pick(targets, fakeExchange())?.id)).toEqual(["t1", "t1", "t2"]);
  }
});

test("looks at no more than two targets of a list, be it new or made for a retry", async () => {
  let looks = 0;
  const targets = fakeTargets(1_000).map((target) =>
    Object.defineProperty({ ...target }, "weight", { get: () => ((looks += 1), 1) }),
  );
  const selector = await selectorOf(create(), fakePool());
  selector.pick(targets, fakeExchange());
  selector.pick(targets.slice(1), fakeExchange({ tried: targets.slice(0, 1) }));
  expect(looks).toBeLessThanOrEqual(8);
});

test("keeps a thousand requests over a hundred targets nearly even", async () => {
  const targets = fakeTargets(100);
  const selector = await selectorOf(create(), fakePool(targets));
  for (let i = 0; i < 1_000; i++) (selector.pick(targets, fakeExchange()) as FakeTarget).live.inflight += 1;
  // One at random would be at 18 or more (Raab and Steger 1998); of two it is the mean and ln ln 100 / ln 2, plus a few.
  expect(Math.max(...targets.map(({ live }) => live.inflight))).toBeLessThanOrEqual(14);
});

test("draws from the proxy's chance unless told otherwise", async () => {
  const targets = fakeTargets(4);
  const row = async (): Promise<(string | undefined)[]> => {
    const selector = await selectorOf(powerOfTwoChoices(), fakePool(targets));
    return Array.from({ length: 300 }, () => selector.pick(targets, fakeExchange())?.id);
  };
  const picked = await row();
  expect(new Set(picked).size).toBe(4);
  expect(await row()).toEqual(picked);
});

test("explains how likely each is, and to how many it loses", async () => {
  const targets = loading([
    [1, 1],
    [0, 1],
    [0, 0],
    [1, 1],
    [9, 2],
  ]);
  const selector = await selectorOf(create(), fakePool(targets));
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: 0.25, note: "1 under way, weight 1: loses to 1 of 3 others" },
    { id: "t2", score: 0.5, note: "0 under way, weight 1: loses to 0 of 3 others" },
    { id: "t3", score: 0, note: "weight 0: never drawn" },
    { id: "t4", score: 0.25, note: "1 under way, weight 1: loses to 1 of 3 others" },
    { id: "t5", score: 0, note: "9 under way, weight 2: loses to 3 of 3 others" },
  ]);
  expect(selector.explain?.(targets.slice(2, 3), fakeExchange())).toEqual([
    { id: "t3", score: 1, note: "0 under way, weight 0: loses to 0 of 0 others" },
  ]);
});

test("scores each target by its weight over the requests under way", async () => {
  const targets = loading([
    [0, 3],
    [3, 2],
    [0, 0],
  ]);
  const into = new Float64Array(3);
  (await selectorOf(create(), fakePool(targets))).score?.(targets, fakeExchange(), into);
  expect([...into]).toEqual([3, 0.5, 0]);
});

test("sends to one of the two upstreams drawn, and to another when that refuses", async () => {
  // The first request draws the second and the third; what is left then are the first and the third.
  const points = [0.4, 0.9, 0.9, 0.9];
  await withProxy(
    powerOfTwoChoices({ random: () => points.shift() ?? 0 }),
    [saying("a"), null, saying("c")],
    async (get) => {
      expect(await get()).toBe("c");
      expect(await get()).toBe("a");
    },
  );
});

function loading(loads: readonly (readonly [number, number])[]): readonly FakeTarget[] {
  return fakeTargets(loads.length, (index) => {
    const [inflight, weight] = loads[index] ?? [0, 1];
    return { weight, live: { inflight } };
  });
}

async function draw(targets: readonly Target[], ...points: number[]): Promise<string | undefined> {
  const selector = await selectorOf(powerOfTwoChoices({ random: () => points.shift() ?? 0 }), fakePool(targets));
  return selector.pick(targets, fakeExchange())?.id;
}

/** Who wins of each pair, drawn either way round. */
async function pairs(targets: readonly Target[], expected: number): Promise<Record<string, string>> {
  const won: Record<string, string> = {};
  const { length } = targets;
  let drawn = 0;
  for (let first = 0; first < length; first++) {
    for (let among = 0; among < length - 1; among++) {
      const second = among < first ? among : among + 1;
      const winner = (await draw(targets, first / length, among / (length - 1))) as string;
      const pair = [first, second].toSorted((a, b) => a - b).map((index) => targets[index]?.id);
      expect(won[pair.join(" ")] ?? winner).toBe(winner);
      won[pair.join(" ")] = winner;
      drawn += 1;
    }
  }
  expect(drawn).toBe(expected);
  return won;
}

async function count(targets: readonly Target[], picks: number): Promise<Record<string, number>> {
  const selector = await selectorOf(create(), fakePool(targets));
  const counts: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const id = selector.pick(targets, fakeExchange())?.id ?? "";
    counts[id] = (counts[id] ?? 0) + 1;
  }
  return counts;
}
