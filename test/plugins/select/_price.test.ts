import { expect, test } from "vitest";
import { createPrices, toTiers } from "../../../plugins/select/_price.ts";
import { fakeExchange, fakeTarget, type FakeTargetFields, fakeTargets } from "plugboard/testing";

const tokens = { inputTokens: 1e6, outputTokens: 1e6 };

/** Dollars of a million tokens of prompt and one million of answer. */
function dollarsOf(fields: FakeTargetFields, prompt = 1e6, model?: string): number {
  const into = new Float64Array(1);
  createPrices({ ...tokens, inputTokens: prompt }).read([fakeTarget(fields)], fakeExchange({ model }), into);
  return into[0] as number;
}

test.each<[string, unknown, number]>([
  ["a number", 2, 4],
  ["0", 0, 0],
  ["two prices", { input: 2, output: 3 }, 5],
  ["a price of the request", { input: 2, output: 3, request: 0.5 }, 5.5],
  [
    "tiers of which the first fits",
    [
      { input: 2, output: 3, upTo: 1e6 },
      { input: 4, output: 6 },
    ],
    5,
  ],
  [
    "tiers of which the last fits",
    [
      { input: 2, output: 3, upTo: 999_999 },
      { input: 4, output: 6 },
    ],
    10,
  ],
  [
    "tiers of which none fits",
    [
      { input: 2, output: 3, upTo: 10 },
      { input: 4, output: 6, upTo: 20 },
    ],
    10,
  ],
])("reads %s", (_name, price, dollars) => {
  expect(dollarsOf({ meta: { price } })).toBeCloseTo(dollars, 9);
});

test.each<unknown>([
  undefined,
  null,
  -1,
  NaN,
  Infinity,
  "1",
  true,
  [],
  [[]],
  [1],
  {},
  { input: 1 },
  { input: 1, output: "2" },
  { input: 1, output: -2 },
  { input: 1, output: 2, request: null },
  { input: 1, output: 2, upTo: 0 },
  { input: 1, output: 2, upTo: "10" },
  [{ input: 1, output: 2 }, { input: 1 }],
])("takes %j for no price", (price) => {
  expect(toTiers(price)).toBeUndefined();
});

test("prefers the price of the model that the target is asked for, then that of the request's", () => {
  const meta = { price: 1, prices: { big: 10, small: 2 } };
  expect(dollarsOf({ meta, model: "big" }, 1e6, "small")).toBe(20);
  expect(dollarsOf({ meta }, 1e6, "small")).toBe(4);
  expect(dollarsOf({ meta }, 1e6, "other")).toBe(2);
  expect(dollarsOf({ meta })).toBe(2);
});

test.each(["__proto__", "constructor", "toString"])("takes no model %s for one with a price", (model) => {
  expect(dollarsOf({ meta: { price: 1, prices: {} } }, 1e6, model)).toBe(2);
});

test("does not make up for a broken price of the model by that of the target", () => {
  const meta = { price: 1, prices: { big: -1 } };
  const prices = createPrices(tokens);
  expect(prices.has(fakeTarget({ meta, model: "big" }), fakeExchange())).toBe(false);
  expect(prices.has(fakeTarget({ meta, model: "small" }), fakeExchange())).toBe(true);
});

test("tells the prices of each model apart, however many are asked for", () => {
  const prices = createPrices(tokens);
  const models = Array.from({ length: 40 }, (_, index) => `m${index}`);
  const targets = fakeTargets(2, {
    meta: { prices: Object.fromEntries(models.map((model, index) => [model, index])) },
  });
  const into = new Float64Array(2);
  for (const [index, model] of [...models.entries(), ...models.entries()]) {
    prices.read(targets, fakeExchange({ model }), into);
    expect([...into]).toEqual([2 * index, 2 * index]);
  }
});

test("reads the prices of another list anew", () => {
  const prices = createPrices({ ...tokens, outputTokens: 0 });
  const into = new Float64Array(1);
  const read = (price: number, tried: number) => {
    const targets = fakeTargets(1, { meta: { price } });
    prices.read(targets, fakeExchange({ tried: fakeTargets(tried) }), into);
    return into[0];
  };
  expect([read(1, 0), read(2, 0), read(3, 1), read(4, 0)]).toEqual([1, 2, 3, 4]);
});
