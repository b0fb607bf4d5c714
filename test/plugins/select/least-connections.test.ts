import type { RequestListener } from "node:http";
import { expect, test } from "vitest";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { fakeExchange, fakePool, fakeTargets, selectorOf, testPlugin, testSelector } from "plugboard/testing";
import { saying, withProxy } from "./upstreams.ts";

testSelector({ test, create: () => leastConnections(), law: "least" });

testPlugin({ test, create: () => leastConnections() });

test("goes round among idle targets", async () => {
  const targets = fakeTargets(3);
  const selector = await selectorOf(leastConnections(), fakePool(targets));
  const picked = Array.from({ length: 5 }, () => selector.pick(targets, fakeExchange())?.id);
  expect(picked).toEqual(["t1", "t2", "t3", "t1", "t2"]);
});

test("sends what a proxy with nothing to do gets to the heaviest target", async () => {
  const targets = fakeTargets(2, (index) => ({ weight: index + 1 }));
  const selector = await selectorOf(leastConnections(), fakePool(targets));
  const picked = Array.from({ length: 3 }, () => selector.pick(targets, fakeExchange())?.id);
  expect(picked).toEqual(["t2", "t2", "t2"]);
});

test("counts requests even where no target has a weight", async () => {
  const targets = fakeTargets(3, (index) => ({
    weight: 0,
    live: { inflight: [2, 1, 3][index] ?? 0 },
  }));
  const selector = await selectorOf(leastConnections(), fakePool(targets));
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t2");
});

test("explains each score by requests under way and weight", async () => {
  const targets = fakeTargets(2, (index) => ({ weight: index * 2, live: { inflight: 3 } }));
  const selector = await selectorOf(leastConnections(), fakePool(targets));
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: 0, note: "3 under way, weight 0" },
    { id: "t2", score: 0.5, note: "3 under way, weight 2" },
  ]);
});

test("sends past an upstream that is busy with a request, until it is done", async () => {
  let finish = (): void => undefined;
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => void (arrive = resolve));
  const slow: RequestListener = (_req, res) => {
    finish = () => void res.end("slow");
    arrive();
  };
  await withProxy(leastConnections(), [slow, saying("fast")], async (get) => {
    const held = get();
    await arrived;
    const others = [await get(), await get(), await get()];
    finish();
    expect(others).toEqual(["fast", "fast", "fast"]);
    expect(await held).toBe("slow");
  });
});
