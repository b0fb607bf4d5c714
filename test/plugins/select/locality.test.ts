import { describe, expect, test } from "vitest";
import type { Target } from "plugboard";
import { inOrder } from "plugboard/plugins/select/in-order";
import { locality, type LocalityOptions } from "plugboard/plugins/select/locality";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import {
  fakeExchange,
  fakePool,
  type FakeTarget,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";

testSelector({ test, create: () => locality({ prefer: "a" }), law: ["least", "best", "frugal"] });

describe("of round-robin", () => {
  testSelector({ test, create: () => locality({ prefer: ["a"], inner: roundRobin() }), law: "proportional" });
});

testPlugin({
  test,
  create: () => locality({ prefer: ["a", "b"], label: "rack", maxInflight: 4 }),
  badOptions: [
    { options: {}, says: "prefer: " },
    { options: { prefer: [] }, says: "prefer: Expected the name of a place, or a list of them" },
    { options: { prefer: "" }, says: "prefer: Expected the name of a place, or a list of them" },
    { options: { prefer: 1 }, says: "prefer: Expected the name of a place, or a list of them" },
    { options: { prefer: "a", maxInflight: -1 }, says: "maxInflight: Expected a number of attempts above 0" },
    { options: { prefer: "a", zone: "b" }, says: "zone: unknown option" },
  ],
});

test("uses the preferred place, then the next, then all others together", async () => {
  const targets = placed(["d", "b", "a", undefined, "a", "c"]);
  expect(await inTurn({ prefer: ["a", "b"], inner: inOrder() }, targets)).toEqual(["t3", "t5", "t2", "t1", "t4", "t6"]);
});

test("takes one name for a list of one", async () => {
  expect(await inTurn({ prefer: "b", inner: inOrder() }, placed(["a", "b", "c"]))).toEqual(["t2", "t1", "t3"]);
});

test("uses all others where no target is in a preferred place", async () => {
  const targets = placed(["a", "b"]);
  const selector = await selectorOf(locality({ prefer: "z" }), fakePool(targets));
  const picked = Array.from({ length: 4 }, () => selector.pick(targets, fakeExchange())?.id);
  expect(picked).toEqual(["t1", "t2", "t1", "t2"]);
});

test("looks at the label that is named, else at the meta field, and takes no name for another", async () => {
  const labels: readonly Target["labels"][] = [{ zone: "a" }, { region: "b" }];
  const targets = fakeTargets(4, (index) => ({
    labels: labels[index] ?? {},
    meta: { region: index === 3 ? ["a"] : "a" },
  }));
  const prefer = { prefer: "a", label: "region", inner: inOrder() };
  expect(await inTurn(prefer, targets)).toEqual(["t1", "t3", "t2", "t4"]);
  expect(await inTurn({ ...prefer, prefer: "constructor" }, targets)).toEqual(["t1", "t2", "t3", "t4"]);
});

test("goes to the next place when every target of the first is full", async () => {
  const targets = placed(["a", "b", "a"]);
  const selector = await selectorOf(locality({ prefer: "a", maxInflight: 2 }), fakePool(targets));
  const held = Array.from({ length: 8 }, () => {
    const picked = selector.pick(targets, fakeExchange()) as FakeTarget;
    picked.live.inflight += 1;
    return picked.id;
  });
  expect(held).toEqual(["t1", "t3", "t1", "t3", "t2", "t2", "t1", "t3"]);
});

test("explains the place of each", async () => {
  const targets = placed(["b", "z", "a"]);
  const selector = await selectorOf(locality({ prefer: ["a", "b"] }), fakePool(targets));
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: -1, note: "zone b, stands by; 0 under way, weight 1" },
    { id: "t2", score: -2, note: "another zone, stands by; 0 under way, weight 1" },
    { id: "t3", score: 1, note: "zone a; 0 under way, weight 1" },
  ]);
});

function placed(places: readonly (string | undefined)[]): readonly FakeTarget[] {
  return fakeTargets(places.length, (index) => {
    const zone = places[index];
    const labels: Target["labels"] = zone === undefined ? {} : { zone };
    return { labels };
  });
}

/** Who is picked, and who when that was tried, until none is left. */
async function inTurn(options: LocalityOptions, targets: readonly Target[]): Promise<string[]> {
  const selector = await selectorOf(locality(options), fakePool(targets));
  const tried: Target[] = [];
  for (let left = targets; left.length > 0; left = targets.filter((target) => !tried.includes(target))) {
    tried.push(selector.pick(left, fakeExchange({ tried: [...tried] })) as Target);
  }
  return tried.map(({ id }) => id);
}
