import { expect, test } from "vitest";
import { latency } from "plugboard/plugins/select/latency";
import { fakeExchange, fakeTargets, testPlugin, testSelector } from "plugboard/testing";
import { createBench } from "./speeds.ts";
import { saying, withProxy } from "./upstreams.ts";

let time = 0;
const wait = (milliseconds: number): void => void (time += milliseconds);

testSelector({
  test,
  create: () => latency({ now: () => time }),
  law: ["measured", "best", "frugal"],
  sample: (speed) => ({ outcome: { ttfb: speed === "fast" ? 20 : 400, duration: 500 } }),
  wait,
});

testSelector({
  test: (name, run) => test(`${name} (by the tokens of streams)`, run),
  create: () => latency({ now: () => time, tokens: 500 }),
  law: ["measured", "best"],
  sample: (speed) => ({
    outcome: { ttfb: 20, duration: speed === "fast" ? 500 : 5_000 },
    slots: { "first-token": 30, usage: { completionTokens: 101 } },
  }),
  wait,
});

testPlugin({
  test,
  create: () => latency({ tokens: 200, decay: 5_000 }),
  badOptions: [
    { options: { tokens: -1 }, says: "tokens: Expected 0 or more" },
    { options: { tokens: Infinity }, says: "tokens: Expected a number" },
    { options: { decay: 0 }, says: "decay: Expected 1 or more" },
    { options: { now: 5 }, says: "now: Expected a function" },
    { options: { token: 5 }, says: 'did you mean "tokens"?' },
  ],
});

test("expects the time to the first token and that of the tokens after it", async () => {
  const targets = fakeTargets(2);
  const bench = await createBench((now) => latency({ now, tokens: 100 }), targets);
  // 200 ms + 100 * 10 ms against 900 ms + 100 * 1 ms
  bench.end(targets[0], { ttfb: 150, duration: 1_200 }, { firstToken: 50, completionTokens: 101 });
  bench.end(targets[1], { ttfb: 800, duration: 1_000 }, { firstToken: 100, completionTokens: 101 });
  const [one, other] = bench.scores(targets) as [number, number];
  expect(1 / one).toBeCloseTo(1_200, 6);
  expect(1 / other).toBeCloseTo(1_000, 6);
  expect(bench.pick(targets)).toBe("t2");
});

test("heeds only the time to the first token when told so", async () => {
  const targets = fakeTargets(2);
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  bench.end(targets[0], { ttfb: 150, duration: 9_000 }, { firstToken: 50, completionTokens: 101 });
  bench.end(targets[1], { ttfb: 800, duration: 1_000 }, { firstToken: 100, completionTokens: 101 });
  expect(bench.pick(targets)).toBe("t1");
  expect(1 / (bench.scores(targets)[0] as number)).toBeCloseTo(200, 6);
});

test("sets requests under way and the weight against the time", async () => {
  const targets = fakeTargets(3, (index) => ({
    weight: [1, 1, 4][index] ?? 1,
    live: { inflight: [0, 1, 3][index] ?? 0 },
  }));
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  for (const target of targets) bench.end(target, { ttfb: 100 });
  expect(bench.scores(targets).map((score) => Math.round(1 / score))).toEqual([100, 200, 100]);
});

test("counts a target that nobody measured as the median of the others", async () => {
  const targets = fakeTargets(4, { live: { inflight: 1 } });
  const bench = await createBench((now) => latency({ now, tokens: 0 }), targets);
  for (const [index, ttfb] of [50, 400, 100].entries()) bench.end(targets[index], { ttfb });
  expect(bench.scores(targets).map((score) => Math.round(0.5 / score))).toEqual([50, 400, 100, 100]);
});

test("explains by what was measured, faults and load", async () => {
  const targets = fakeTargets(4, (index) => ({ weight: index === 3 ? 0 : 1 }));
  const bench = await createBench((now) => latency({ now, tokens: 10 }), targets);
  bench.end(targets[0], { ttfb: 80, duration: 300 }, { firstToken: 20, completionTokens: 11 });
  bench.end(targets[1], { kind: "connect", status: 0, ttfb: 0, duration: 1 });
  expect(bench.selector.explain?.(targets, fakeExchange()).map(({ note }) => note)).toEqual([
    "first token in 100 ms, 20.0 ms per token; 0 under way, weight 1",
    "not measured, counts as the median, 2.0 times slower for its faults; 0 under way, weight 1",
    "not measured, counts as the median; 0 under way, weight 1",
    "not measured, counts as the median; 0 under way, weight 0: passed over",
  ]);
});

test("sends to the upstream that answers sooner", async () => {
  const slow = (_req: unknown, res: { end: (text: string) => void }) => void setTimeout(() => res.end("slow"), 150);
  await withProxy(latency(), [slow, saying("fast")], async (get) => {
    const said: string[] = [];
    for (let i = 0; i < 12; i++) said.push(await get());
    expect(said.filter((word) => word === "slow").length).toBeLessThanOrEqual(2);
  });
});
