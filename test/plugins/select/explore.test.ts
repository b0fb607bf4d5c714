import { describe, expect, test } from "vitest";
import { defineSelector, type Plugin, type Selector, type Target, viewTarget } from "plugboard";
import { explore } from "plugboard/plugins/select/explore";
import { inOrder } from "plugboard/plugins/select/in-order";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  fakeTargets,
  seededRandom,
  selectorOf,
  servicesOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { saying, withProxy } from "./upstreams.ts";

testSelector({ test, create: () => explore(0.3, inOrder(), { random: seededRandom(1) }), law: "frugal" });

describe("of what is never explored", () => {
  testSelector({ test, create: () => explore(0, roundRobin()), law: ["proportional", "frugal"] });
});

testPlugin({
  test,
  create: () => explore(0.05, roundRobin()),
  badOptions: [
    { options: { rate: 1.5, inner: inOrder() }, says: "rate: Expected a number from 0 to 1" },
    { options: { rate: -0.1, inner: inOrder() }, says: "rate: Expected a number from 0 to 1" },
    { options: { rate: NaN, inner: inOrder() }, says: "rate: Expected a number from 0 to 1" },
    { options: { rate: 0.05, inner: inOrder }, says: "inner: Expected a selector such as leastConnections()" },
    { options: { rate: 0.05, inner: inOrder(), now: 5 }, says: "now: Expected a function" },
    { options: { rate: 0.05, inner: inOrder(), rnd: 5 }, says: "rnd: unknown option" },
  ],
});

test("explores as often as it is told to", async () => {
  const targets = fakeTargets(2);
  const selector = await selectorOf(explore(0.05, inOrder(), { random: seededRandom(2) }), fakePool(targets));
  let second = 0;
  for (let i = 0; i < 20_000; i++) if (played(selector, targets) === "t2") second += 1;
  // In order picks t1 each time, so t2 is always the one that waits; five standard deviations are 154.
  expect(Math.abs(second - 1_000)).toBeLessThanOrEqual(154);
});

describe("what it explores", () => {
  test("is first what was never tried, in the order of the list, then what was not for the longest", async () => {
    const { pickAt } = await exploring();
    const targets = fakeTargets(4);
    expect([50, 40, 30, 60].map((time) => pickAt(time, targets))).toEqual(["t1", "t2", "t3", "t4"]);
    expect([70, 80, 90, 100].map((time) => pickAt(time, targets))).toEqual(["t3", "t2", "t1", "t4"]);
  });

  test("counts every attempt from when it began, whoever picked the target", async () => {
    const { selector, pickAt } = await exploring();
    const targets = fakeTargets(3);
    const [first, second, third] = targets as unknown as readonly [Target, Target, Target];
    pickAt(10, [third]);
    pickAt(20, [second]);
    selector.attemptStart?.(first, fakeExchange({ tried: [third] }));
    pickAt(30, [second]);
    selector.attemptEnd?.(third, fakeOutcome(), fakeExchange());
    expect([40, 50, 60].map((time) => pickAt(time, targets))).toEqual(["t3", "t1", "t2"]);
  });

  test("is no target of weight 0 while another has a weight, and any when none has", async () => {
    const { pickAt } = await exploring();
    const some = fakeTargets(3, (index) => ({ weight: index % 2 }));
    expect([pickAt(1, some), pickAt(2, some)]).toEqual(["t2", "t2"]);
    const none = fakeTargets(3, { weight: 0 });
    expect([pickAt(3, none), pickAt(4, none)]).toEqual(["t1", "t3"]);
  });

  test("is told apart by the model that it is asked for", async () => {
    const { selector, pickAt } = await exploring();
    const [target] = fakeTargets(1) as unknown as readonly [Target];
    const faces = [viewTarget(target, { model: "a" }), viewTarget(target, { model: "b" })];
    pickAt(1, faces.slice(0, 1));
    expect(selector.pick(faces, fakeExchange())?.model).toBe("b");
  });
});

test("leaves a retry to its inner selector, and draws no chance for it", async () => {
  let drawn = 0;
  const targets = fakeTargets(3);
  const plugin = explore(1, inOrder(), { random: () => (drawn++, 0) });
  const selector = await selectorOf(plugin, fakePool(targets));
  selector.attemptStart?.(targets[1] as Target, fakeExchange());
  const retry = fakeExchange({ tried: [targets[0] as Target] });
  expect(selector.pick(targets.slice(1), retry)?.id).toBe("t2");
  expect(drawn).toBe(0);
  expect(selector.pick(targets.slice(1), fakeExchange())?.id).toBe("t3");
});

test("draws from the proxy's chance unless told otherwise", async () => {
  const targets = fakeTargets(2);
  const row = async (): Promise<(string | undefined)[]> => {
    const selector = await selectorOf(explore(0.5, inOrder()), fakePool(targets));
    return Array.from({ length: 200 }, () => played(selector, targets));
  };
  const picked = await row();
  expect(new Set(picked).size).toBe(2);
  expect(await row()).toEqual(picked);
});

describe("what it remembers", () => {
  test("is shared by all routes of a pool", async () => {
    const service = (await servicesOf("selector", [always()])).get("explore");
    const targets = fakeTargets(3);
    const [one, other] = ["one", "other"].map((route) => service?.create(fakePool(targets), route)) as [
      Selector,
      Selector,
    ];
    expect([played(one, targets), played(other, targets), played(one, targets)]).toEqual(["t1", "t2", "t3"]);
  });

  test("is forgotten with the target, and only in its pool", async () => {
    const service = (await servicesOf("selector", [always()])).get("explore");
    const pools = [fakePool(fakeTargets(2), "one"), fakePool(fakeTargets(2), "other")] as const;
    const [one, other] = pools.map((pool) => service?.create(pool, "route")) as [Selector, Selector];
    for (const selector of [one, other]) played(selector, pools[0].snapshot.all.slice(0, 1));
    pools[0].change(fakeTargets(2).slice(1));
    one.update?.(pools[0].snapshot);
    // The other face of t1 is new to both: what is known of it goes by its id.
    expect([played(other, fakeTargets(2)), played(one, fakeTargets(2))]).toEqual(["t2", "t1"]);
  });
});

test("passes on to its inner selector what it is told, explored or not", async () => {
  const told: string[] = [];
  const spy = defineSelector({
    name: "spy",
    create: () => ({
      pick: (targets) => targets[0],
      update: ({ version }) => void told.push(`update ${version}`),
      attemptStart: ({ id }) => void told.push(`start ${id}`),
      attemptEnd: ({ id }, { kind }) => void told.push(`end ${id} ${kind}`),
    }),
  });
  const targets = fakeTargets(2);
  const pool = fakePool(targets);
  const selector = await selectorOf(explore(1, spy()), pool);
  selector.update?.(pool.snapshot);
  played(selector, targets);
  played(selector, targets);
  expect(told).toEqual(["update 1", "start t1", "end t1 ok", "start t2", "end t2 ok"]);
  expect(selector.explain?.(targets, fakeExchange()).map(({ score }) => score)).toEqual([0, 0]);
});

test("explains what its inner selector says, when each was tried, and which is explored next", async () => {
  let time = 1_000;
  const targets = fakeTargets(3, (index) => ({ weight: index === 1 ? 0 : 1 }));
  const selector = await selectorOf(explore(0.05, inOrder(), { random: () => 1, now: () => time }), fakePool(targets));
  played(selector, targets);
  time = 3_500;
  const notes = (x = fakeExchange()) => selector.explain?.(targets, x).map(({ note }) => note);
  expect(notes()).toEqual([
    "the first in order; last tried 2.5 s ago",
    "weight 0: passed over; never tried",
    "number 3; never tried; explored next, 5 % of the time",
  ]);
  expect(notes(fakeExchange({ tried: [targets[0] as Target] }))?.[2]).toBe("number 3; never tried");
  const never = await selectorOf(explore(0, inOrder()), fakePool(targets));
  expect(never.explain?.(targets, fakeExchange())[0]?.note).toBe("the first in order; never tried");
});

test("sends now and then to an upstream that would get nothing", async () => {
  const points = [0.9, 0.01, 0.9, 0.01];
  const plugin = explore(0.05, inOrder(), { random: () => points.shift() ?? 0.9 });
  await withProxy(plugin, [saying("a"), saying("b"), saying("c")], async (get) => {
    expect([await get(), await get(), await get(), await get(), await get()]).toEqual(["a", "b", "a", "c", "a"]);
  });
});

function always(): Plugin {
  let time = 0;
  return explore(1, inOrder(), { now: () => ++time });
}

/** One that always explores, and a pick of it with an attempt that begins at a time of its clock. */
async function exploring(): Promise<{
  selector: Selector;
  pickAt: (time: number, targets: readonly Target[]) => string | undefined;
}> {
  let now = 0;
  const selector = await selectorOf(explore(1, inOrder(), { now: () => now }), fakePool());
  const pickAt = (time: number, targets: readonly Target[]): string | undefined => {
    now = time;
    return played(selector, targets);
  };
  return { selector, pickAt };
}

/** Picks once, and lets the attempt begin and end. */
function played(selector: Selector, targets: readonly Target[]): string | undefined {
  const x = fakeExchange();
  const picked = selector.pick(targets, x);
  if (picked === undefined) return undefined;
  selector.attemptStart?.(picked, x);
  selector.attemptEnd?.(picked, fakeOutcome(), x);
  return picked.id;
}
