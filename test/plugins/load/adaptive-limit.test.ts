import { describe, expect, test } from "vitest";
import { type ErrorCode, type OutcomeKind, ProxyError } from "plugboard";
import { testPlugin } from "plugboard/testing";
import type { PoolTarget } from "../../../core/targets/target.ts";
import { adaptiveLimit } from "../../../plugins/load/adaptive-limit.ts";
import { type MemCall, memUpstream, sayOk } from "../../core/mem-upstream.ts";
import { openProxy } from "../../core/open-proxy.ts";
import { eventually } from "../../e2e/eventually.ts";
import { type Answer, play, serving } from "./adaptive-play.ts";

testPlugin({
  test,
  create: () => adaptiveLimit({ min: 1, max: 10, initial: 5 }),
  badOptions: [
    { options: { by: "vegas" }, says: 'by: Expected "gradient" or "aimd"' },
    { options: { min: 0 }, says: "min: Expected 1 or more" },
    { options: { max: 1.5 }, says: "max: Expected a whole number" },
    { options: { min: 5, max: 4 }, says: "Expected a min that is not above max" },
    { options: { initial: 0 }, says: "initial" },
    { options: { tolerance: 2 }, says: "tolerance: Expected 1 to 1.9" },
    { options: { pool: "" }, says: "pool: Expected the name of a pool" },
    { options: { now: 1 }, says: "now: Expected a function that returns milliseconds" },
  ],
});

const minute = 60_000;

describe("by gradient", () => {
  test.each([
    [1, 2, 9],
    [10, 10, 25],
    [40, 40, 80],
  ])("a target that slows down beyond %i at once is held near that, from above", async (capacity, least, most) => {
    const it = await play({ initial: 200, min: 1 });
    it.run(5 * minute, 500, serving(100, capacity));
    for (let count = 0; count < 5; count++) {
      it.run(1.7 * minute, 500, serving(100, capacity));
      expect(it.limit).toBeGreaterThanOrEqual(least);
      expect(it.limit).toBeLessThanOrEqual(most);
    }
  });

  test("a limit that is too low goes up to what the target can take", async () => {
    const it = await play({ initial: 3 });
    it.run(5 * minute, 500, serving(100, 40));
    expect(it.limit).toBeGreaterThanOrEqual(40);
    expect(it.limit).toBeLessThanOrEqual(80);
  });

  test("it follows a target that can take less for a time, and recovers with it", async () => {
    const it = await play();
    it.run(5 * minute, 500, serving(100, 40));
    it.run(5 * minute, 500, serving(100, 8));
    expect(it.limit).toBeLessThanOrEqual(20);
    it.run(5 * minute, 500, serving(100, 40));
    expect(it.limit).toBeGreaterThanOrEqual(40);
  });

  test("a target that has become slower altogether is not held down for it", async () => {
    const it = await play({ min: 1 });
    it.run(5 * minute, 500, serving(100, 20));
    it.run(10 * minute, 500, serving(400, 20));
    expect(it.limit).toBeGreaterThanOrEqual(20);
  });

  test("a target whose load falls off now and then is not held to half to see how fast it is", async () => {
    const it = await play({ initial: 40 });
    for (let count = 0; count < 10; count++) {
      it.run(30_000, 500, serving(100, 40));
      it.run(5_000, 5, serving(100, 40));
    }
    expect(it.least).toBeGreaterThanOrEqual(40);
  });

  test("slow answers without load change nothing", async () => {
    const it = await play({ initial: 20 });
    it.run(minute, 5, serving(100, 40));
    it.run(5 * minute, 5, serving(1_000, 40));
    expect([it.least, it.limit]).toEqual([20, 20]);
  });

  test("what a target that answers nothing drops takes its limit down, never below the least", async () => {
    const it = await play({ initial: 50, min: 4 });
    it.run(20 * minute, 500, () => drop("timeout", "upstream_timeout"));
    expect([it.least, it.limit]).toEqual([4, 4]);
    it.run(10 * minute, 500, serving(100, 20));
    expect(it.limit).toBeGreaterThanOrEqual(20);
  });

  test("it never goes above the most", async () => {
    const it = await play({ initial: 5, max: 8 });
    it.run(5 * minute, 500, serving(100, 40));
    expect(it.limit).toBeLessThanOrEqual(8);
  });
});

function drop(kind: OutcomeKind, code: ErrorCode): ReturnType<Answer> {
  return { kind, status: 0, duration: 500, error: new ProxyError(code, "No.") };
}

describe("by aimd", () => {
  test("it goes up by one and down by a tenth, about what the target takes", async () => {
    const it = await play({ by: "aimd", initial: 100 });
    const takes: Answer = (others) => (others < 30 ? { duration: 100 } : { kind: "status", status: 503, duration: 5 });
    it.run(5 * minute, 500, takes);
    expect(it.limit).toBeGreaterThanOrEqual(24);
    expect(it.limit).toBeLessThanOrEqual(33);
  });

  test("slow answers are no drops", async () => {
    const it = await play({ by: "aimd", initial: 10, max: 40 });
    it.run(minute, 500, serving(100, 5));
    expect([it.least, it.limit]).toEqual([10, 40]);
  });

  test.each<[string, ReturnType<Answer>]>([
    ["a time-out", drop("timeout", "upstream_timeout")],
    ["a reset", drop("reset", "upstream_reset")],
    ["a connection that is not taken in time", drop("connect", "connect_timeout")],
    ["503", { kind: "status", status: 503, duration: 500 }],
    ["429", { status: 429, duration: 500 }],
  ])("%s is a drop", async (_, answer) => {
    const it = await play({ by: "aimd", initial: 100 });
    it.run(2_000, 500, () => answer);
    expect(it.limit).toBeLessThan(100);
  });

  test.each<[string, ReturnType<Answer>]>([
    ["a client that leaves", { ...drop("client-abort", "client_closed") }],
    ["an error of the client's", { status: 400, duration: 500 }],
    ["a deadline of the whole request", drop("timeout", "total_timeout")],
    ["a connection that is refused", drop("connect", "connect_failed")],
    ["a status of 500", { kind: "status", status: 500, duration: 500 }],
    ["what this side lacks", drop("local", "overloaded")],
  ])("%s says nothing", async (_, answer) => {
    const it = await play({ by: "aimd", initial: 100 });
    it.run(20_000, 500, () => answer);
    expect([it.least, it.limit]).toEqual([100, 100]);
  });
});

test("a target that is full is passed over, and when all are, requests are refused", async () => {
  const held: MemCall[] = [];
  const upstream = memUpstream(
    (call) => void held.push(call),
    [
      { id: "a", url: "mem://a" },
      { id: "b", url: "mem://b" },
    ],
  );
  const plugins = [upstream, adaptiveLimit({ initial: 1, min: 1 })];
  const proxy = await openProxy({ plugins });
  const ask = async (): Promise<string> => {
    const response = await proxy.fetch(new Request("http://proxy/"));
    return `${response.status} ${response.headers.get("x-proxy-error") ?? (await response.text())}`;
  };
  const answers = [ask(), ask()];
  await eventually(() => expect(held.map(({ target }) => target.id).toSorted()).toEqual(["a", "b"]));
  expect(await ask()).toBe("503 overloaded");
  await proxy.reload({ plugins });
  expect(await ask()).toBe("503 overloaded");
  held.splice(0).forEach(sayOk);
  expect((await Promise.all(answers)).toSorted()).toEqual(["200 a", "200 b"]);
  await proxy.reload({ plugins: [upstream] });
  const more = [ask(), ask(), ask()];
  await eventually(() => expect(held).toHaveLength(3));
  held.forEach(sayOk);
  expect((await Promise.all(more)).every((answer) => answer.startsWith("200"))).toBe(true);
});

test("only the pool that it is told to look after is limited, also after a reload that tells another", async () => {
  const upstream = memUpstream();
  const proxy = await openProxy({ plugins: [upstream, adaptiveLimit({ initial: 5 })] });
  const limit = (): number | undefined => {
    const [target] = proxy.pools().find(({ name }) => name === "default")?.snapshot.all ?? [];
    return (target as PoolTarget).live.most;
  };
  expect(limit()).toBe(5);
  await proxy.reload({ plugins: [upstream, adaptiveLimit({ initial: 5, pool: "other" })] });
  expect(limit()).toBe(Infinity);
  await proxy.reload({ plugins: [upstream, adaptiveLimit({ initial: 7, max: 6 })] });
  expect(limit()).toBe(6);
});
