import { describe, expect, test } from "vitest";
import { createProxy, defineSelector, type Plugin, type Target } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { score, type ScoreSettings } from "plugboard/plugins/select/score";
import { usage } from "plugboard/plugins/select/usage";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  type FakeTarget,
  fakeTargets,
  seededRandom,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { by, list, scoresOf, selectorFor } from "./score-parts.ts";

const byWeight = by(({ weight }) => weight);
const byIdleness = by(({ live }) => 1 / (Math.max(0, live.inflight) + 1), "idle");

describe("the best of two measures", () => {
  testSelector({
    test,
    create: () =>
      score([
        [usage({ now: () => 0 }), 2],
        [byIdleness, 1],
      ]),
    law: ["best", "frugal"],
  });
});

describe("by chance, in proportion to a measure", () => {
  const create = () => score([[byWeight, 1]], { pick: "random", random: seededRandom(2) });
  testSelector({ test, create, law: ["proportional", "frugal"] });
});

describe("with a filter", () => {
  const filter = (target: Target): boolean => target.live.inflight < 100;
  testSelector({ test, create: () => score([[byIdleness, 1]], { filter }), law: "best", mayDecline: true });
});

testPlugin({
  test,
  create: () => score([[usage(), 2]]),
  badOptions: [
    { options: { parts: [] }, says: "parts: Expected at least one part with a weight above 0" },
    { options: { parts: [[usage(), 0]] }, says: "parts: Expected at least one part with a weight above 0" },
    { options: { parts: [[usage(), -1]] }, says: "parts.0.1: Expected a weight of 0 or more" },
    {
      options: {
        parts: [
          [usage(), 1],
          [usage(), NaN],
        ],
      },
      says: "parts.1.1: Expected a weight of 0 or more",
    },
    { options: { parts: [["usage", 1]] }, says: "parts.0.0: Expected a selector such as" },
    { options: { parts: [usage()] }, says: "parts.0: Expected a selector and its weight" },
    { options: { parts: [[usage(), 1]], pick: "worst" }, says: 'pick: Expected "best" or "random"' },
    { options: { parts: [[usage(), 1]], filter: "up" }, says: "filter: Expected a function" },
    { options: { parts: [[usage(), 1]], random: 0.5 }, says: "random: Expected a function" },
  ],
});

test("is a plugin without options, which the config then refuses", async () => {
  const plugin = (score as (parts?: unknown) => Plugin)();
  await expect(createProxy({ plugins: [plugin] })).rejects.toThrow("score: parts: Expected a list of selectors");
});

test("a part that gives no scores is a mistake in the config, by name", async () => {
  const plugins = [
    staticTargets({ targets: ["http://127.0.0.1:9"] }),
    score([
      [usage(), 1],
      [roundRobin(), 1],
    ]),
  ];
  await expect(createProxy({ plugins })).rejects.toThrow(
    "selector score cannot be made for route default: round-robin gives no scores",
  );
});

test("picks only what passes the filter, and measures by that alone", async () => {
  const targets = fakeTargets(3);
  const filter: ScoreSettings["filter"] = (target, x) => target.id !== x.headers["x-without"];
  const selector = await selectorFor(
    targets,
    [
      [list(100, 2, 1), 1],
      [list(0.1, 0.5, 0.6), 1],
    ],
    { filter },
  );
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
  const x = fakeExchange({ headers: { "x-without": "t1" } });
  // Beside 100 the 2 and the 1 of the first part would be next to nothing, and the second part would decide.
  expect(selector.pick(targets, x)?.id).toBe("t2");
  expect(scoresOf(selector, targets, x)[0]).toBe(0);
});

test.each(["best", "random"] as const)("picks nothing when no target passes the filter: %s", async (pick) => {
  const targets = fakeTargets(3);
  const selector = await selectorFor(targets, [[list(1, 1, 1), 1]], { filter: () => false, pick });
  expect(selector.pick(targets, fakeExchange())).toBeUndefined();
});

test.each(["best", "random"] as const)(
  "weight 0 takes nothing, even where no other passes the filter: %s",
  async (pick) => {
    const targets = fakeTargets(3, (index) => ({ weight: [1, 0, 1][index]! }));
    const filter = ({ id }: Target): boolean => id !== "t1";
    const selector = await selectorFor(targets, [[list(1, 50, 1), 1]], { filter, pick });
    for (let i = 0; i < 20; i++) expect(selector.pick(targets, fakeExchange())?.id).toBe("t3");
    const left = Object.freeze(targets.slice(0, 2));
    expect(selector.pick(left, fakeExchange())).toBeUndefined();
  },
);

test("a score may be part of a score", async () => {
  const targets = fakeTargets(2);
  const filter = ({ id }: Target): boolean => id === "t1";
  const inner = score([[list(1, 1), 1]], { filter });
  const selector = await selectorFor(targets, [
    [inner, 1],
    [list(1, 4), 1],
  ]);
  expect(scoresOf(selector, targets)).toEqual([0.625, 0.5]);
});

test("tells its parts of changes and attempts", async () => {
  const heard: string[] = [];
  const ear = defineSelector({
    name: "ear",
    create: () => ({
      pick: (targets) => targets[0],
      score: () => undefined,
      update: () => void heard.push("update"),
      attemptStart: ({ id }) => void heard.push(`start ${id}`),
      attemptEnd: ({ id }, { kind }) => void heard.push(`end ${id} ${kind}`),
    }),
  });
  const targets = fakeTargets(1);
  const pool = fakePool(targets);
  const selector = await selectorOf(
    score([
      [list(1), 1],
      [ear(), 1],
    ]),
    pool,
  );
  selector.update?.(pool.snapshot);
  selector.attemptStart?.(targets[0] as FakeTarget, fakeExchange());
  selector.attemptEnd?.(targets[0] as FakeTarget, fakeOutcome(), fakeExchange());
  expect(heard).toEqual(["update", "start t1", "end t1 ok"]);
});

test("explains the figures of each part", async () => {
  const targets = fakeTargets(3);
  const filter = ({ id }: Target): boolean => id !== "t3";
  const selector = await selectorFor(
    targets,
    [
      [usage({ now: () => 0 }), 3],
      [list(1, 4, 9), 1],
    ],
    { filter },
  );
  selector.attemptStart?.(targets[0] as FakeTarget, fakeExchange());
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: 0.4375, note: "usage 0.5 times 0.75 (1 requests in 24 h, weight 1), by 0.25 times 0.25" },
    { id: "t2", score: 1, note: "usage 1 times 0.75 (0 requests in 24 h, weight 1), by 1 times 0.25" },
    { id: "t3", score: 0, note: "left out by the filter, or for its weight 0" },
  ]);
});
