import { expect, test } from "vitest";
import { createProxy, defineSelector, type Plugin } from "plugboard";
import { fallback } from "plugboard/plugins/select/fallback";
import { inOrder } from "plugboard/plugins/select/in-order";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { score } from "plugboard/plugins/select/score";
import { usage } from "plugboard/plugins/select/usage";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";

/** Picks nothing and says what it was told. */
const silent = (heard: string[] = [], name = "silent"): Plugin =>
  defineSelector({
    name,
    create: () => ({
      pick: () => undefined,
      update: () => void heard.push(`${name} update`),
      attemptStart: ({ id }) => void heard.push(`${name} start ${id}`),
      attemptEnd: ({ id }, { kind }) => void heard.push(`${name} end ${id} ${kind}`),
    }),
  })();

testSelector({ test, create: () => fallback(silent(), roundRobin()), law: ["proportional", "frugal"] });

testPlugin({
  test,
  create: () => fallback(leastConnections(), roundRobin()),
  badOptions: [
    { options: { selectors: [] }, says: "selectors: Expected at least one selector" },
    { options: { selectors: [leastConnections(), "round-robin"] }, says: "selectors.1: Expected a selector such as" },
    { options: { selectors: [roundRobin], by: 1 }, says: "selectors.0: Expected a selector such as" },
  ],
});

test("is a plugin without any selector, which the config then refuses", async () => {
  await expect(createProxy({ plugins: [fallback()] })).rejects.toThrow("Expected at least one selector");
});

test("asks the first, and the next only when that picks nothing", async () => {
  const targets = fakeTargets(2, (index) => ({ live: { inflight: index === 0 ? 3 : 9 } }));
  const idle = score([[usage(), 1]], { filter: ({ live }) => live.inflight < 8 });
  const selector = await selectorOf(fallback(idle, silent(), inOrder()), fakePool(targets));
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
  expect(selector.pick(Object.freeze(targets.slice(1)), fakeExchange())?.id).toBe("t2");
});

test("picks nothing when none of them picks", async () => {
  const targets = fakeTargets(2);
  const selector = await selectorOf(fallback(silent(), silent()), fakePool(targets));
  expect(selector.pick(targets, fakeExchange())).toBeUndefined();
});

test("tells all of them of changes and attempts, whoever picked", async () => {
  const heard: string[] = [];
  const targets = fakeTargets(1);
  const pool = fakePool(targets);
  const selector = await selectorOf(fallback(inOrder(), silent(heard, "one"), silent(heard, "two")), pool);
  const x = fakeExchange();
  selector.update?.(pool.snapshot);
  selector.attemptStart?.(targets[0]!, x);
  selector.attemptEnd?.(targets[0]!, fakeOutcome({ kind: "reset" }), x);
  expect(heard).toEqual([
    "one update",
    "two update",
    "one start t1",
    "two start t1",
    "one end t1 reset",
    "two end t1 reset",
  ]);
});

test("explains the scores of the first that has any, and says whose they are", async () => {
  const targets = fakeTargets(1);
  const first = await selectorOf(fallback(inOrder(), roundRobin()), fakePool(targets));
  expect(first.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: 1, note: "in-order, asked first: the first in order" },
  ]);
  const second = await selectorOf(fallback(silent(), inOrder()), fakePool(targets));
  expect(second.explain?.(targets, fakeExchange())?.[0]?.note).toBe("in-order, asked as number 2: the first in order");
});

test("explains each target even if none of them explains", async () => {
  const targets = fakeTargets(2);
  const selector = await selectorOf(fallback(silent()), fakePool(targets));
  expect(selector.explain?.(targets, fakeExchange()).map(({ id }) => id)).toEqual(["t1", "t2"]);
});
