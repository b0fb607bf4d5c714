import { describe, expect, test } from "vitest";
import { createProxy, viewTarget } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { split } from "plugboard/plugins/select/split";
import { usage } from "plugboard/plugins/select/usage";
import { fakeExchange, fakePool, type FakeTarget, fakeTargets, testPlugin, testSelector } from "plugboard/testing";
import { toldOf } from "./told.ts";
import { saying, withProxy } from "./upstreams.ts";

const hour = 3_600_000;
const day = 24 * hour;

describe("counting requests", () => {
  testSelector({ test, create: () => usage({ now: () => 0 }), law: ["best", "frugal"] });
});

describe("counting tokens", () => {
  testSelector({ test, create: () => usage({ count: "tokens", now: () => 0 }), law: ["best", "frugal"] });
});

testPlugin({
  test,
  create: () => usage(),
  badOptions: [
    { options: { count: "dollars" }, says: 'count: Expected "requests" or "tokens"' },
    { options: { window: 0 }, says: "window: Expected milliseconds, 24 or more" },
    { options: { window: NaN }, says: "window: Expected milliseconds, 24 or more" },
    { options: { window: Infinity }, says: "window: Expected milliseconds, 24 or more" },
    { options: { windw: 1 }, says: 'did you mean "window"?' },
    { options: { now: 5 }, says: "now: Expected a function" },
  ],
});

const tokens = (totalTokens: unknown) => ({ promptTokens: 0, completionTokens: 0, totalTokens });

test("sends to the one with the fewest requests, for its weight", async () => {
  const targets = fakeTargets(3, (index) => ({ weight: [1, 2, 1][index]! }));
  const { selector, attempt } = await toldOf(usage({ now: () => 0 }), fakePool(targets));
  const counts = new Map<FakeTarget, number>();
  for (let i = 0; i < 400; i++) {
    const picked = selector.pick(targets, fakeExchange()) as FakeTarget;
    attempt(picked);
    counts.set(picked, (counts.get(picked) ?? 0) + 1);
  }
  for (const target of targets) expect(Math.abs(counts.get(target)! - 100 * target.weight)).toBeLessThanOrEqual(1);
});

test("counts a request when it is sent, and not again when it ends", async () => {
  const targets = fakeTargets(2);
  const { selector, attempt } = await toldOf(usage({ now: () => 0 }), fakePool(targets));
  selector.attemptStart?.(targets[0]!, fakeExchange());
  attempt(targets[0]!);
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: 1 / 3, note: "2 requests in 24 h, weight 1" },
    { id: "t2", score: 1, note: "0 requests in 24 h, weight 1" },
  ]);
});

test("counts each model of a target apart", async () => {
  const [one, other] = fakeTargets(2) as readonly [FakeTarget, FakeTarget];
  const face = viewTarget(one, { model: "a" });
  const targets = Object.freeze([one, face, other]);
  const { selector, attempt } = await toldOf(usage({ now: () => 0 }), fakePool([one, other]));
  attempt(one);
  attempt(other);
  expect(selector.pick(targets, fakeExchange())).toBe(face);
  // Another face of the same target and model, as after a change of the pool.
  attempt(viewTarget(one, { model: "a" }));
  expect(selector.explain?.(targets, fakeExchange()).map(({ score }) => score)).toEqual([0.5, 0.5, 0.5]);
});

test("forgets after the window, in 24 steps", async () => {
  let time = 1_000 * day;
  const targets = fakeTargets(1);
  const { selector, attempt } = await toldOf(usage({ now: () => time }), fakePool(targets));
  const count = () => 1 / selector.explain!(targets, fakeExchange())[0]!.score - 1;
  const seen: number[] = [];
  for (let i = 0; i < 30; i++) {
    attempt(targets[0]!);
    time += hour;
    seen.push(count());
  }
  expect(seen.slice(0, 3)).toEqual([1, 2, 3]);
  expect(seen.slice(22)).toEqual([23, 23, 23, 23, 23, 23, 23, 23]);
  time += 22 * hour;
  expect(count()).toBe(1);
  time += hour;
  expect(count()).toBe(0);
  attempt(targets[0]!);
  time += 10_000 * day;
  expect(count()).toBe(0);
});

test("a clock that is set back takes nothing away and keeps nothing for longer", async () => {
  let time = 100 * day;
  const targets = fakeTargets(1);
  const { selector, attempt } = await toldOf(usage({ now: () => time }), fakePool(targets));
  attempt(targets[0]!);
  time -= 50 * day;
  attempt(targets[0]!);
  expect(selector.explain?.(targets, fakeExchange())[0]?.score).toBe(1 / 3);
  time += 51 * day;
  expect(selector.explain?.(targets, fakeExchange())[0]?.score).toBe(1);
});

test("counts the tokens that answers told, if it is asked to", async () => {
  const targets = fakeTargets(2, (index) => ({ weight: index + 1 }));
  const { selector, attempt } = await toldOf(usage({ count: "tokens", now: () => 0 }), fakePool(targets));
  attempt(targets[0]!, tokens(100));
  attempt(targets[0]!);
  attempt(targets[1]!, tokens(300));
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: 1 / 101, note: "100 tokens in 24 h, weight 1" },
    { id: "t2", score: 2 / 301, note: "300 tokens in 24 h, weight 2" },
  ]);
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
});

test("takes a request under way for as many tokens as answers have as a rule", async () => {
  const targets = fakeTargets(2);
  const { selector, attempt } = await toldOf(usage({ count: "tokens", now: () => 0 }), fakePool(targets));
  attempt(targets[0]!, tokens(1_000));
  attempt(targets[1]!, tokens(100));
  const picked = Array.from({ length: 8 }, () => {
    const target = selector.pick(targets, fakeExchange()) as FakeTarget;
    selector.attemptStart?.(target, fakeExchange());
    return target.id;
  });
  // With 888 for each, the second is behind the first after two of them, and from then on they go to either.
  expect(picked).toEqual(["t2", "t2", "t1", "t2", "t1", "t2", "t1", "t2"]);
});

test.each([NaN, -1, Infinity, 1e300, "100", null, {}, undefined])("does not count %s tokens", async (told) => {
  const targets = fakeTargets(2);
  const { selector, attempt } = await toldOf(usage({ count: "tokens", now: () => 0 }), fakePool(targets));
  attempt(targets[0]!, tokens(told));
  expect(selector.explain?.(targets, fakeExchange()).map(({ score }) => score)).toEqual([1, 1]);
});

test("sends everything to a newcomer until it has caught up, as its doc says", async () => {
  const targets = fakeTargets(3);
  const { selector, attempt } = await toldOf(usage({ now: () => 0 }), fakePool(targets));
  for (let i = 0; i < 20; i++) attempt(targets[i % 2]!);
  const picked = Array.from({ length: 10 }, () => {
    const target = selector.pick(targets, fakeExchange()) as FakeTarget;
    attempt(target);
    return target.id;
  });
  expect(new Set(picked)).toEqual(new Set(["t3"]));
});

test("within a split counts each attempt once", async () => {
  const targets = fakeTargets(3, (index) => ({ labels: { group: ["a", "b", "b"][index]! } }));
  const pool = fakePool(targets);
  const { selector, attempt } = await toldOf(split({ a: 1, b: 1 }, { inner: usage({ now: () => 0 }) }), pool);
  attempt(targets[1]!);
  expect(selector.explain?.(targets, fakeExchange())[1]?.note).toMatch(/; 1 requests in 24 h/);
});

test("keeps its counts over a reload of the config", async () => {
  const config = {
    plugins: [
      staticTargets({
        targets: [
          { id: "a", url: "http://127.0.0.1:9/a" },
          { id: "b", url: "http://127.0.0.1:9/b" },
        ],
      }),
      usage(),
    ],
    retry: { attempts: 1 },
  };
  const proxy = await createProxy(config);
  const notes = async () => (await proxy.explain()).candidates.map(({ reason }) => reason);
  try {
    for (let i = 0; i < 3; i++) await (await proxy.fetch(new Request("http://proxy/"))).arrayBuffer();
    const before = await notes();
    expect(before).toEqual(["2 requests in 24 h, weight 1", "1 requests in 24 h, weight 1"]);
    await proxy.reload(config);
    expect(await notes()).toEqual(before);
  } finally {
    await proxy.close();
  }
});

test("spreads real requests evenly", async () => {
  await withProxy(usage(), [saying("a"), saying("b")], async (get) => {
    const answers = [await get(), await get(), await get(), await get()];
    expect(answers.toSorted()).toEqual(["a", "a", "b", "b"]);
  });
});
