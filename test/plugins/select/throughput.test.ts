import { expect, test } from "vitest";
import { throughput } from "plugboard/plugins/select/throughput";
import { fakeExchange, fakeTargets, testPlugin, testSelector } from "plugboard/testing";
import { createBench } from "./speeds.ts";
import { saying, withProxy } from "./upstreams.ts";

let time = 0;

testSelector({
  test,
  create: () => throughput({ now: () => time }),
  law: ["measured", "best", "frugal"],
  sample: (speed) => ({
    outcome: { ttfb: 20, duration: 1_000 },
    slots: { "first-token": 10, usage: { completionTokens: speed === "fast" ? 1_000 : 100 } },
  }),
  wait: (milliseconds) => void (time += milliseconds),
});

testSelector({
  test: (name, run) => test(`${name} (unmeasured)`, run),
  create: () => throughput({ now: () => 0 }),
  law: "least",
});

testPlugin({
  test,
  create: () => throughput({ decay: 5_000 }),
  badOptions: [
    { options: { decay: -1 }, says: "decay: Expected 1 or more" },
    { options: { tokens: 5 }, says: "tokens" },
  ],
});

test("scores tokens per second after the first, shared by those under way", async () => {
  const targets = fakeTargets(3, (index) => ({ weight: [1, 1, 2][index] ?? 1, live: { inflight: index } }));
  const bench = await createBench((now) => throughput({ now }), targets);
  // 100 tokens after the first, of which the first took 250 ms and the others 1000 ms
  for (const target of targets)
    bench.end(target, { ttfb: 200, duration: 1_250 }, { firstToken: 50, completionTokens: 101 });
  expect(bench.scores(targets).map((score) => Math.round(score * 1e6) / 1e6)).toEqual([100, 50, 66.666667]);
});

test("does not count the time to the first token of streams", async () => {
  const targets = fakeTargets(2);
  const bench = await createBench((now) => throughput({ now }), targets);
  bench.end(targets[0], { ttfb: 9_000, duration: 9_500 }, { firstToken: 0, completionTokens: 101 });
  bench.end(targets[1], { ttfb: 10, duration: 2_010 }, { firstToken: 0, completionTokens: 101 });
  expect(bench.pick(targets)).toBe("t1");
});

test("counts a target that nobody measured as the median", async () => {
  const targets = fakeTargets(4);
  const bench = await createBench((now) => throughput({ now }), targets);
  for (const [index, tokens] of [10, 1_000, 100].entries()) {
    bench.end(targets[index], { duration: 1_000 }, { completionTokens: tokens });
  }
  expect(bench.scores(targets).map(Math.round)).toEqual([10, 1_000, 100, 100]);
});

test("explains by the time per token", async () => {
  const targets = fakeTargets(2);
  const bench = await createBench((now) => throughput({ now }), targets);
  bench.end(targets[0], { duration: 1_000 }, { completionTokens: 80 });
  expect(bench.selector.explain?.(targets, fakeExchange())[0]).toEqual({
    id: "t1",
    score: 80,
    note: "12.5 ms per token; 0 under way, weight 1",
  });
});

test("spreads requests over upstreams of which nothing is told", async () => {
  await withProxy(throughput(), [saying("a"), saying("b")], async (get) => {
    const said = new Set([await get(), await get(), await get(), await get()]);
    expect(said).toEqual(new Set(["a", "b"]));
  });
});
