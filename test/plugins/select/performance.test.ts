import { expect, test } from "vitest";
import { performance, type PerformanceOptions } from "plugboard/plugins/select/performance";
import { fakeExchange, fakeTargets, testPlugin, testSelector } from "plugboard/testing";
import { createBench } from "./speeds.ts";
import { saying, withProxy } from "./upstreams.ts";

let time = 0;

testSelector({
  test,
  create: () => performance({ now: () => time }),
  law: ["measured", "best", "frugal"],
  sample: (speed) => ({
    outcome: { ttfb: 20, duration: 1_000 },
    slots: { "first-token": speed === "fast" ? 10 : 200, usage: { completionTokens: speed === "fast" ? 500 : 400 } },
  }),
  wait: (milliseconds) => void (time += milliseconds),
});

testSelector({
  test: (name, run) => test(`${name} (nothing known)`, run),
  create: () => performance({ now: () => 0 }),
  law: "least",
});

testPlugin({
  test,
  create: () => performance({ cost: 2, latency: 0.5 }),
  badOptions: [
    { options: { cost: -1 }, says: "cost: Expected 0 to 4" },
    { options: { latency: 5 }, says: "latency: Expected 0 to 4" },
    { options: { throughput: "1" }, says: "throughput" },
    { options: { outputTokens: -1 }, says: "outputTokens: Expected 0 or more" },
    { options: { decay: 0 }, says: "decay: Expected 1 or more" },
    { options: { throughputs: 1 }, says: 'did you mean "throughput"?' },
  ],
});

/** Two targets: 100 tokens per second, 200 ms and $0.001 for a request; 50, 50 ms and $0.004. */
async function scoresWith(options: PerformanceOptions): Promise<readonly [number, number]> {
  const targets = fakeTargets(2, (index) => ({
    meta: { price: { input: 0, output: 0, request: [0.001, 0.004][index] } },
  }));
  const bench = await createBench((now) => performance({ ...options, now }), targets);
  bench.end(targets[0], { ttfb: 150, duration: 1_200 }, { firstToken: 50, completionTokens: 101 });
  bench.end(targets[1], { ttfb: 30, duration: 2_050 }, { firstToken: 20, completionTokens: 101 });
  const [one = 0, other = 0] = bench.scores(targets);
  return [one, other];
}

test.each<[PerformanceOptions, number, number]>([
  [{}, 100 / (200 * 0.001), 50 / (50 * 0.004)],
  [{ throughput: 0 }, 1 / (200 * 0.001), 1 / (50 * 0.004)],
  [{ latency: 2, cost: 0 }, 100 / 200 ** 2, 50 / 50 ** 2],
  [{ throughput: 0.5, latency: 0, cost: 3 }, 10 / 0.001 ** 3, 50 ** 0.5 / 0.004 ** 3],
])("with %j it scores throughput over latency and cost", async (options, one, other) => {
  const scores = await scoresWith(options);
  expect(scores[0] / one).toBeCloseTo(1, 9);
  expect(scores[1] / other).toBeCloseTo(1, 9);
});

test("drops what is known of no target", async () => {
  const targets = fakeTargets(2, (index) => ({ meta: { price: index + 1 } }));
  const bench = await createBench((now) => performance({ now }), targets);
  const [cheap = 0, dear = 0] = bench.scores(targets);
  expect(cheap / dear).toBeCloseTo(2, 9);
});

test("does not let a target for free, or one that nobody measured, draw all traffic", async () => {
  const targets = fakeTargets(4, (index) => ({ meta: { price: index === 0 ? undefined : 1 } }));
  const bench = await createBench((now) => performance({ now }), targets);
  for (const target of targets.slice(1)) bench.end(target, { ttfb: 100, duration: 1_000 });
  const held: Record<string, number> = {};
  for (let i = 0; i < 80; i++) {
    const id = bench.pick(targets);
    held[id] = (held[id] ?? 0) + 1;
    targets.find((target) => target.id === id)!.live.inflight += 1;
  }
  // 20 is its part.
  expect(held["t1"]).toBeLessThanOrEqual(40);
  expect(held["t1"]).toBeGreaterThanOrEqual(10);
});

test("keeps the score of a target for free finite", async () => {
  const targets = fakeTargets(2, (index) => ({ meta: { price: index } }));
  const bench = await createBench((now) => performance({ now, throughput: 4, latency: 4, cost: 4 }), targets);
  bench.end(targets[0], { ttfb: 0, duration: 0 }, { firstToken: 0, completionTokens: 1_000 });
  for (const score of bench.scores(targets)) expect(score).toBeLessThan(Infinity);
  expect(bench.pick(targets)).toBe("t1");
});

test("does not try a dear target again only because it rested", async () => {
  const targets = fakeTargets(2, (index) => ({ meta: { price: index === 0 ? 1 : 10 } }));
  const bench = await createBench((now) => performance({ now }), targets);
  for (const target of targets) bench.end(target, { ttfb: 100, duration: 100 });
  expect(bench.serve(targets, 2_000, () => 100)).toEqual({ t1: 2_000, t2: 0 });
});

test("explains by all three", async () => {
  const targets = fakeTargets(2, (index) => ({ meta: index === 0 ? { price: 2 } : {} }));
  const bench = await createBench((now) => performance({ now }), targets);
  bench.end(targets[0], { ttfb: 80, duration: 1_100 }, { firstToken: 20, completionTokens: 51 });
  const x = fakeExchange({ headers: { "content-length": "2000" } });
  expect(bench.selector.explain?.(targets, x).map(({ note }) => note)).toEqual([
    "first token in 100 ms, 20.0 ms per token; $0.00200; 0 under way, weight 1",
    "not measured, counts as the median; no price, counts as the dearest; 0 under way, weight 1",
  ]);
});

test("sends to an upstream that answers, and past one that refuses", async () => {
  await withProxy(performance(), [null, saying("b")], async (get) => {
    expect([await get(), await get(), await get()]).toEqual(["b", "b", "b"]);
  });
});
