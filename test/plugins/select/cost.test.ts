import { expect, test } from "vitest";
import { cost } from "plugboard/plugins/select/cost";
import {
  fakeExchange,
  fakePool,
  type FakeTarget,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { createBench } from "./speeds.ts";
import { saying, withProxy } from "./upstreams.ts";

testSelector({ test, create: () => cost(), law: ["best", "least", "frugal"] });

testPlugin({
  test,
  create: () => cost({ outputTokens: 200 }),
  badOptions: [
    { options: { inputTokens: -1 }, says: "inputTokens: Expected 0 or more" },
    { options: { outputTokens: NaN }, says: "outputTokens" },
    { options: { outputToken: 1 }, says: 'did you mean "outputTokens"?' },
  ],
});

function priced(...prices: readonly unknown[]): readonly FakeTarget[] {
  return fakeTargets(prices.length, (index) => ({ meta: prices[index] === undefined ? {} : { price: prices[index] } }));
}

/** A request whose prompt has about so many tokens. */
const asking = (tokens: number) => fakeExchange({ headers: { "content-length": String(tokens * 4) } });

test("picks the cheapest, whatever is under way there", async () => {
  const targets = priced(3, 1, 2);
  targets[1]!.live.inflight = 99;
  const bench = await createBench(() => cost(), targets);
  expect(bench.pick(targets)).toBe("t2");
});

test("picks by prompt and answer, of which the prompt is a quarter of the body's bytes", async () => {
  const targets = priced({ input: 1, output: 10 }, { input: 4, output: 2 });
  const selector = await selectorOf(cost({ outputTokens: 100, inputTokens: 1_000_000 }), fakePool(targets));
  // 267 tokens of prompt make up for 100 of the answer.
  expect(selector.pick(targets, asking(250))?.id).toBe("t2");
  expect(selector.pick(targets, asking(280))?.id).toBe("t1");
  expect(selector.pick(targets, fakeExchange({ body: new Uint8Array(1_000) }))?.id).toBe("t2");
  expect(selector.pick(targets, fakeExchange({ body: new Uint8Array(1_200) }))?.id).toBe("t1");
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
  expect(selector.pick(targets, fakeExchange({ headers: { "content-length": "many" } }))?.id).toBe("t1");
});

test("lets those of one price share by load and weight, and take turns", async () => {
  const targets = fakeTargets(4, (index) => ({
    weight: [1, 1, 2, 1][index] ?? 1,
    meta: { price: [1, 1, 1, 9][index] },
  }));
  targets[0]!.live.inflight = 1;
  const bench = await createBench(() => cost(), targets);
  expect(bench.pick(targets)).toBe("t3");
  targets[2]!.live.inflight = 2;
  expect(bench.pick(targets)).toBe("t2");
  targets[2]!.live.inflight = 1;
  expect([bench.pick(targets), bench.pick(targets), bench.pick(targets)]).toEqual(["t3", "t2", "t3"]);
});

test("takes the cheapest of those with a weight, and of all when none has one", async () => {
  const some = fakeTargets(3, (index) => ({ weight: [0, 1, 1][index] ?? 1, meta: { price: [1, 5, 3][index] } }));
  const none = fakeTargets(3, (index) => ({ weight: 0, meta: { price: [2, 1, 3][index] } }));
  const bench = await createBench(() => cost(), some);
  expect(bench.pick(some)).toBe("t3");
  expect(bench.pick(none)).toBe("t2");
});

test.each([
  ["no price", undefined],
  ["a price below 0", -1],
  ["a price that is no number", "cheap"],
  ["a price of NaN", Number.NaN],
])("is not drawn to a target with %s", async (_what, price) => {
  const targets = priced(price, 5, 1);
  const bench = await createBench(() => cost(), targets);
  expect(bench.pick(targets)).toBe("t3");
  expect(bench.scores(targets)[0]).toBe(bench.scores(targets)[1]);
});

test("takes all for the same when no price is known", async () => {
  const targets = priced(undefined, "?", null);
  const bench = await createBench(() => cost(), targets);
  expect([1, 2, 3].map(() => bench.pick(targets)).toSorted()).toEqual(["t1", "t2", "t3"]);
});

test("scores by the dollars, one for free as a millionth of one", async () => {
  const targets = priced(0, 1, 2);
  const selector = await selectorOf(cost({ outputTokens: 0 }), fakePool(targets));
  const scores = new Float64Array(3);
  selector.score?.(targets, asking(1_000), scores);
  expect([...scores].map(Math.round)).toEqual([1_000_000, 1_000, 500]);
});

test("explains by dollars and tokens", async () => {
  const targets = priced({ input: 3, output: 15 }, undefined);
  const selector = await selectorOf(cost(), fakePool(targets));
  expect(selector.explain?.(targets, asking(250)).map(({ note }) => note)).toEqual([
    "$0.00825 for 250 prompt and 500 completion tokens; 0 under way, weight 1",
    "no price, counts as the dearest; 0 under way, weight 1",
  ]);
});

test("sends a retry to the next in price", async () => {
  const targets = priced(3, 1, 2);
  const bench = await createBench(() => cost(), targets);
  const left = Object.freeze([targets[0]!, targets[2]!]);
  expect(bench.selector.pick(left, fakeExchange({ tried: [targets[1]!] }))?.id).toBe("t3");
  expect(bench.pick(targets)).toBe("t2");
});

test("goes round among upstreams without a price", async () => {
  await withProxy(cost(), [saying("a"), saying("b")], async (get) => {
    expect([await get(), await get()].toSorted()).toEqual(["a", "b"]);
  });
});
