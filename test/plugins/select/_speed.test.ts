import { expect, test } from "vitest";
import { ProxyError, type SelectorTools } from "plugboard";
import { latency } from "plugboard/plugins/select/latency";
import { fakeExchange, fakeOutcome, fakePool, type FakeTarget, fakeTarget, fakeTargets } from "plugboard/testing";
import { createSpeeds } from "../../../plugins/select/_speed.ts";
import { createBench } from "./speeds.ts";

test("takes the duration of an answer in one piece for that of its tokens, and not for the first token's", async () => {
  const targets = fakeTargets(1);
  const bench = await createBench((now) => latency({ now, tokens: 100 }), targets);
  bench.end(targets[0], { ttfb: 100, duration: 120 });
  bench.end(targets[0], { ttfb: 5_000, duration: 5_000 }, { completionTokens: 1_000 });
  expect(1 / (bench.scores(targets)[0] as number)).toBeCloseTo(100 + 100 * 5, 6);
});

test.each([
  ["no tokens", { firstToken: 5, completionTokens: 0 }],
  ["one token", { firstToken: 5, completionTokens: 1 }],
  ["tokens that took no time", { firstToken: 0, completionTokens: 10 }],
  ["nothing told", {}],
])("scores by numbers after an answer with %s", async (_what, told) => {
  const targets = fakeTargets(2);
  const bench = await createBench((now) => latency({ now }), targets);
  bench.end(targets[0], { ttfb: 0, duration: 0 }, told);
  for (const score of bench.scores(targets)) {
    expect(score).toBeGreaterThan(0);
    expect(score).toBeLessThan(Infinity);
  }
});

test("believes a slower sample at once, and a faster one as time passes", async () => {
  const targets = fakeTargets(1);
  const bench = await createBench((now) => latency({ now, tokens: 0, decay: 1_000 }), targets);
  const expected = () => 1 / (bench.scores(targets)[0] as number);
  bench.end(targets[0], { ttfb: 100 });
  bench.end(targets[0], { ttfb: 900 });
  expect(expected()).toBeCloseTo(900, 6);
  bench.end(targets[0], { ttfb: 100 });
  expect(expected()).toBeCloseTo(900, 6);
  bench.time = 1_000;
  bench.end(targets[0], { ttfb: 100 });
  expect(expected()).toBeCloseTo(900 / Math.E + 100 * (1 - 1 / Math.E), 6);
});

test.each([10, 1_000])("sends no herd to a target that joins %i measured ones", async (others) => {
  const targets = fakeTargets(others + 1);
  const bench = await createBench((now) => latency({ now }), targets);
  for (const target of targets.slice(1)) bench.end(target, { ttfb: 100 });
  bench.time = 60_000;
  let joined = 0;
  for (let i = 0; i < 5 * targets.length; i++) {
    const picked = bench.pick(targets);
    const target = targets.find(({ id }) => id === picked);
    if (target === targets[0]) joined++;
    target!.live.inflight += 1;
    bench.pool.load(target!);
  }
  // 5 is its part.
  expect(joined).toBeGreaterThanOrEqual(1);
  expect(joined).toBeLessThanOrEqual(10);
});

test("gives a slow target few requests, and its part again when it is fast again", async () => {
  const targets = fakeTargets(4);
  const bench = await createBench((now) => latency({ now }), targets);
  const slow = bench.serve(targets, 2_000, (id) => (id === "t1" ? 2_000 : 100));
  // Tried again once in a while, and never for good.
  expect(slow["t1"]).toBeGreaterThanOrEqual(2);
  expect(slow["t1"]).toBeLessThan(40);
  bench.serve(targets, 500, () => 100);
  const again = bench.serve(targets, 2_000, () => 100);
  expect(again["t1"]).toBeGreaterThan(400);
  expect(again["t1"]).toBeLessThan(600);
});

test("forgives a target at rest only as much as it takes to be as good as the fastest", async () => {
  const targets = fakeTargets(2);
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  bench.end(targets[0], { ttfb: 100 });
  bench.end(targets[1], { ttfb: 900 });
  bench.time = 1e9;
  const [fast, slow] = bench.scores(targets) as [number, number];
  expect(slow).toBe(fast);
});

test("does not forgive a target that is at work", async () => {
  const targets = fakeTargets(2, (index) => ({ live: { inflight: index } }));
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  bench.end(targets[0], { ttfb: 100 });
  bench.end(targets[1], { ttfb: 900 });
  bench.time = 1e9;
  expect(1 / (bench.scores(targets)[1] as number)).toBeCloseTo(1_800, 6);
});

test("counts a fault twice, or as long as it took, and a crash under load once", async () => {
  const targets = fakeTargets(1, { live: { inflight: 1 } });
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  const expected = () => Math.round(0.5 / (bench.scores(targets)[0] as number));
  bench.time = 1_000;
  bench.end(targets[0], { ttfb: 100 });
  for (let i = 0; i < 100; i++) bench.end(targets[0], { kind: "reset", status: 0, ttfb: 0, duration: 50 });
  expect(expected()).toBe(200);
  bench.end(targets[0], { kind: "timeout", status: 0, ttfb: 0, duration: 900 });
  expect(expected()).toBe(900);
  bench.time += 60_000;
  expect(expected()).toBe(120);
});

test("does not blame a target for a stream that broke late, or for a client that stopped reading", async () => {
  const targets = fakeTargets(1, { live: { inflight: 1 } });
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  bench.time = 1e6;
  bench.end(targets[0], { ttfb: 100 });
  bench.end(targets[0], { kind: "stalled", duration: 90_000, error: new ProxyError("write_stalled", "Stuck.") });
  expect(0.5 / (bench.scores(targets)[0] as number)).toBeCloseTo(100, 6);
  bench.end(targets[0], { kind: "stream-error", duration: 90_000 });
  expect(0.5 / (bench.scores(targets)[0] as number)).toBeCloseTo(200, 6);
});

test("takes an answer of 500 and above for a fault, and one below for no sign at all", async () => {
  const targets = fakeTargets(1, { live: { inflight: 1 } });
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  const expected = () => Math.round(0.5 / (bench.scores(targets)[0] as number));
  bench.time = 1_000;
  bench.end(targets[0], { ttfb: 100 });
  for (const status of [400, 404, 429]) {
    bench.end(targets[0], { status, ttfb: 9_000, duration: 9_000 });
    // As when a plugin asked for another target to answer instead.
    bench.end(targets[0], { kind: "status", status, ttfb: 9_000, duration: 9_000 });
  }
  expect(expected()).toBe(100);
  bench.end(targets[0], { kind: "status", status: 503, ttfb: 1, duration: 1 });
  expect(expected()).toBe(200);
});

test("heeds the load of each face of a target, in a long list too", async () => {
  const members = fakeTargets(300);
  const twin = fakeTarget({ id: "t1", live: {}, model: "other" });
  const face: FakeTarget = Object.freeze({ ...twin, live: members[0]!.live });
  const targets = Object.freeze([...members, face]);
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  for (const target of targets) bench.end(target, { ttfb: 100 });
  bench.scores(targets);
  members[0]!.live.inflight = 3;
  bench.pool.load(members[0]!);
  const scores = bench.scores(targets);
  expect([scores[0], scores[1], scores.at(-1)]).toEqual([0.0025, 0.01, 0.0025]);
});

test("knows the targets of each pool apart", async () => {
  const kept = new Map<string, unknown>();
  const keep = <T>(name: string, create: () => T): T => {
    if (!kept.has(name)) kept.set(name, create());
    return kept.get(name) as T;
  };
  const tools = { keep, slot: () => ({ get: () => undefined, set: () => undefined }) } as unknown as SelectorTools;
  const options = { decay: 1_000, now: () => 0 };
  const [target] = fakeTargets(1) as unknown as readonly [FakeTarget];
  const one = createSpeeds(fakePool([target], "one"), tools, options);
  one.attemptEnd(target, fakeOutcome({ ttfb: 70 }), fakeExchange());
  createSpeeds(fakePool([], "other"), tools, options).update(fakePool([], "other").snapshot);
  const again = createSpeeds(fakePool([target], "one"), tools, options);
  expect(again.note(fakeTargets(1)[0] as FakeTarget)).toBe("first token in 70 ms");
});

test("forgets what it knows of targets that have left", async () => {
  const [one, other] = [fakeTargets(2), fakeTargets(2)];
  const bench = await createBench((now) => latency({ now, tokens: 0 }), one);
  for (const target of one) bench.end(target, { ttfb: 700 });
  bench.pool.change(other.slice(1));
  bench.selector.update?.(bench.pool.snapshot);
  const notes = bench.selector.explain?.(other, fakeExchange()).map(({ note }) => note);
  expect(notes?.[0]).toMatch(/^not measured/);
  expect(notes?.[1]).toMatch(/^first token in 700 ms/);
});

test("expects the same of a long list as of a short one", async () => {
  const short = fakeTargets(3);
  const long = fakeTargets(600);
  const seen = await Promise.all(
    [short, long].map(async (targets) => {
      const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
      const log: number[] = [];
      const look = () => log.push(...bench.scores(targets).slice(0, 3));
      for (const target of targets) bench.end(target, { ttfb: 100 });
      look();
      bench.end(targets[0], { ttfb: 300 });
      bench.end(targets[1], { kind: "reset", status: 0, duration: 5 });
      look();
      targets[2]!.live.inflight = 3;
      bench.pool.load(targets[2]!);
      look();
      bench.time = 5_000;
      targets[2]!.live.inflight = 0;
      bench.pool.load(targets[2]!);
      look();
      for (const [index, target] of targets.entries()) bench.end(target, { ttfb: 500 + (index % 3) });
      look();
      return log;
    }),
  );
  expect(seen[1]).toEqual(seen[0]);
});
