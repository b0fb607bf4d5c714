import { expect, test } from "vitest";
import { inOrder } from "plugboard/plugins/select/in-order";
import { fakeExchange, fakePool, fakeTargets, selectorOf, testPlugin, testSelector } from "plugboard/testing";
import { saying, withProxy } from "./upstreams.ts";

testSelector({ test, create: () => inOrder(), law: ["ordered", "frugal"] });

testPlugin({ test, create: () => inOrder() });

test("explains the order and who is passed over", async () => {
  const targets = fakeTargets(3, (index) => ({ weight: index }));
  const selector = await selectorOf(inOrder(), fakePool(targets));
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: 0, note: "weight 0: passed over" },
    { id: "t2", score: 2, note: "the first in order" },
    { id: "t3", score: 1, note: "number 3" },
  ]);
});

test("stays with the first upstream that accepts connections", async () => {
  await withProxy(inOrder(), [null, saying("b"), saying("c")], async (get) => {
    expect([await get(), await get(), await get()]).toEqual(["b", "b", "b"]);
  });
});
