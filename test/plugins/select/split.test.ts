import { describe, expect, test } from "vitest";
import { createProxy, defineSelector, type Plugin, type Target } from "plugboard";
import { inOrder } from "plugboard/plugins/select/in-order";
import { split, type SplitOptions } from "plugboard/plugins/select/split";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  fakeTarget,
  type FakeTarget,
  fakeTargets,
  seededRandom,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { armOf, arms, bound, labelled, picking } from "./split-arms.ts";

describe("of targets that are in no arm", () => {
  testSelector({ test, create: () => split({ canary: 5, stable: 95 }), law: ["proportional", "frugal"] });
});

describe("of targets in arms", () => {
  testSelector({ test, create: () => labelled(split({ a: 1, b: 3 })), law: "frugal" });
});

const create = () => split({ canary: 5, stable: 95 }, { random: seededRandom(1) });
const inner = inOrder();

testPlugin({
  test,
  create,
  badOptions: [
    { options: { shares: { a: -1 }, inner }, says: "shares.a: Expected a share of 0 or more" },
    { options: { shares: { a: NaN }, inner }, says: "shares.a: Expected a share of 0 or more" },
    { options: { shares: { a: Infinity }, inner }, says: "shares.a: Expected a share of 0 or more" },
    { options: { shares: { a: "5%" }, inner }, says: "shares.a: Expected a share of 0 or more" },
    { options: { shares: { a: 0, b: 0 }, inner }, says: "shares: Expected at least one share above 0" },
    { options: { shares: {}, inner }, says: "shares: Expected at least one share above 0" },
    { options: { shares: { a: 1 }, inner, by: "user-id" }, says: 'by: Expected "header:NAME" or a function' },
    { options: { shares: { a: 1 }, inner, by: "header:" }, says: 'by: Expected "header:NAME" or a function' },
    { options: { shares: { a: 1 }, inner: "random" }, says: "inner: Expected a selector such as" },
    { options: { shares: { a: 1 }, inner, label: "" }, says: "label: Expected the name of a label" },
    { options: { shares: { a: 1 }, inner, random: 1 }, says: "random: Expected a function" },
  ],
});

test("is a plugin without options, which the config then refuses", async () => {
  const plugin = (split as (options?: unknown) => Plugin)();
  await expect(createProxy({ plugins: [plugin] })).rejects.toThrow("split: shares: Expected a share");
});

async function countArms(targets: readonly Target[], options: SplitOptions, count: number) {
  const pick = await picking(targets, { random: seededRandom(3), ...options });
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const arm = armOf(pick());
    counts[arm] = (counts[arm] ?? 0) + 1;
  }
  return counts;
}

test.each([
  [{ canary: 5, stable: 95 }, 0.05],
  [{ canary: 0.05, stable: 0.95 }, 0.05],
  [{ stable: 3, canary: 1 }, 0.25],
  [{ canary: 1e308, stable: 1e308 }, 0.5],
  [{ canary: 5e-324, stable: 5e-324 }, 0.5],
])("gives each arm its share of %o, whatever the number and the weights of its targets", async (shares, part) => {
  const targets = arms("stable canary stable stable", (index) => ({ weight: [9, 1, 1, 4][index]! }));
  const counts = await countArms(targets, { shares }, 20_000);
  expect(Math.abs((counts["canary"] ?? 0) - 20_000 * part)).toBeLessThanOrEqual(bound(20_000, part));
  expect((counts["canary"] ?? 0) + (counts["stable"] ?? 0)).toBe(20_000);
});

test("picks within an arm by the weights, with turns of its own", async () => {
  const targets = arms("a b a b", (index) => ({ weight: [1, 1, 3, 1][index]! }));
  const points = Array.from({ length: 16 }, (_, i) => (i % 2) / 2);
  const pick = await picking(targets, { shares: { a: 1, b: 1 }, random: () => points.shift()! });
  const picked = Array.from({ length: 16 }, () => pick()!.id);
  expect(picked.filter((id) => id === "t1")).toHaveLength(2);
  expect(picked.filter((id) => id === "t3")).toHaveLength(6);
  expect(picked.filter((_, i) => i % 2 === 1)).toEqual(["t2", "t4", "t2", "t4", "t2", "t4", "t2", "t4"]);
});

test("gives the share of an arm without candidates to the others, in their proportion", async () => {
  const counts = await countArms(arms("a c"), { shares: { a: 1, b: 6, c: 3 } }, 20_000);
  expect(Math.abs(counts["a"]! - 5_000)).toBeLessThanOrEqual(bound(20_000, 1 / 4));
  expect(counts["a"]! + counts["c"]!).toBe(20_000);
});

test("sends to an arm of share 0 only where no other arm has a candidate", async () => {
  const shares = { off: 0, on: 1, "off-too": 0 };
  expect(await countArms(arms("off on -"), { shares }, 500)).toEqual({ on: 500 });
  const counts = await countArms(arms("off off-too -"), { shares }, 2_000);
  expect(Math.abs(counts["off"]! - 1_000)).toBeLessThanOrEqual(bound(2_000, 1 / 2));
  expect(counts["-"]).toBeUndefined();
});

test("sends to targets in no arm only where no arm has a candidate", async () => {
  const shares = { a: 1 };
  expect(await countArms(arms("- a -"), { shares }, 100)).toEqual({ a: 100 });
  expect(await countArms(arms("- b -"), { shares }, 99)).toEqual({ "-": 66, b: 33 });
});

test("takes an arm of which every target has weight 0 for one without candidates", async () => {
  const targets = arms("a b -", (index) => ({ weight: [0, 1, 1][index]! }));
  expect(await countArms(targets, { shares: { a: 99, b: 1 } }, 100)).toEqual({ b: 100 });
  expect(
    await countArms(
      targets.filter((_, i) => i !== 1),
      { shares: { a: 99, b: 1 } },
      100,
    ),
  ).toEqual({ "-": 100 });
});

test("finds the arm in a label of any name, or else in a fact about the target", async () => {
  const targets = [
    fakeTarget({ id: "label", labels: { track: "canary" }, meta: { track: "stable" } }),
    fakeTarget({ id: "fact", meta: { track: "stable" } }),
    fakeTarget({ id: "odd", meta: { track: 5 } }),
  ];
  const points = [0, 0.5];
  const pick = await picking(targets, {
    shares: { canary: 1, stable: 1 },
    label: "track",
    random: () => points.shift()!,
  });
  expect([pick()?.id, pick()?.id]).toEqual(["label", "fact"]);
});

test.each(["constructor", "__proto__", "toString"])(
  "does not take what every object has for an arm: %s",
  async (label) => {
    const shares = { a: 1, constructor: 1, toString: 1 };
    const counts = await countArms(fakeTargets(2), { shares, label }, 10);
    expect(counts).toEqual({ "-": 10 });
  },
);

test("a retry stays in its arm while that has another candidate, and goes on where it then is", async () => {
  const targets = arms("a b b c c");
  const [, b1, b2, c1] = targets as readonly [FakeTarget, FakeTarget, FakeTarget, FakeTarget];
  const pick = await picking(targets, { shares: { a: 98, b: 1, c: 1 }, random: () => 0.985 });
  expect(pick({ tried: [b1] }, Object.freeze(targets.filter((target) => target !== b1)))?.id).toBe("t3");
  const left = Object.freeze(targets.filter((target) => target !== b1 && target !== b2 && target !== c1));
  expect(pick({ tried: [b1, b2, c1] }, left)?.id).toBe("t5");
});

test("a retry goes to another arm when its own has no other candidate", async () => {
  const targets = arms("a b");
  const pick = await picking(targets, { shares: { a: 1, b: 0 }, random: () => 0 });
  expect(pick({ tried: [targets[0]!] }, Object.freeze(targets.slice(1)))?.id).toBe("t2");
});

test("never leaves the list, whatever the numbers it is given", async () => {
  for (const point of [0, 0.05, 0.95, 0.999_999_999_999, 1, -1, NaN, Infinity]) {
    for (const groups of ["canary stable", "canary", "stable", "-", "stable -"]) {
      const targets = arms(groups);
      const pick = await picking(targets, { shares: { canary: 5, none: 0, stable: 95 }, random: () => point });
      expect(targets).toContain(pick());
    }
  }
});

test("tells the selector of an arm of the attempts in that arm only", async () => {
  const heard: string[] = [];
  let made = 0;
  const ear = defineSelector({
    name: "ear",
    create() {
      const number = made++ % 3;
      return {
        pick: (targets) => targets[0],
        update: () => void heard.push(`${number} update`),
        attemptStart: ({ id }) => void heard.push(`${number} start ${id}`),
        attemptEnd: ({ id }) => void heard.push(`${number} end ${id}`),
      };
    },
  });
  const targets = arms("b a -");
  const pool = fakePool(targets);
  const selector = await selectorOf(split({ a: 1, b: 1 }, { inner: ear() }), pool);
  // For the route, and for the one that core makes.
  expect(made).toBe(6);
  selector.update?.(pool.snapshot);
  for (const target of targets) {
    selector.attemptStart?.(target, fakeExchange());
    selector.attemptEnd?.(target, fakeOutcome(), fakeExchange());
  }
  expect(heard.slice(0, 3)).toEqual(["0 update", "1 update", "2 update"]);
  expect(heard.slice(3)).toEqual(["1 start t1", "1 end t1", "0 start t2", "0 end t2", "2 start t3", "2 end t3"]);
});

test("explains the part of the requests that each target gets", async () => {
  const targets = arms("canary stable stable -", (index) => ({ weight: [1, 1, 3, 1][index]! }));
  const selector = await selectorOf(split({ canary: 5, stable: 95 }), fakePool(targets));
  const scores = selector.explain?.(targets, fakeExchange()) ?? [];
  expect(scores[0]).toMatchObject({ id: "t1", score: 0.05 });
  expect(scores[1]!.score + scores[2]!.score).toBeCloseTo(0.95);
  expect(scores[2]!.score).toBeGreaterThan(scores[1]!.score);
  expect(scores[3]).toMatchObject({ id: "t4", score: 0 });
  expect(scores[0]!.note).toMatch(/^arm canary, 5 % of the requests; is owed/);
});
