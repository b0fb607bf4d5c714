import { type Plugin, ProxyError, type Selector } from "plugboard";
import { describe, expect, test } from "vitest";
import { hedge, type HedgeOptions } from "../../../plugins/load/hedge.ts";
import { answer, begin, finish, played, type Played, refuse } from "../../core/exchange/played.ts";
import { type FakeTimers, fakeTimers } from "../../core/fake-timers.ts";
import { hooks, quickPlugin } from "../../core/quick-plugin.ts";

interface Stage {
  readonly stage: Played;
  readonly timers: FakeTimers;
  pass(milliseconds: number): Promise<void>;
  /** Asks, lets that much time pass until the answer begins, and ends it. */
  take(time: number, status?: number): Promise<void>;
}

/** A clock that stands still until a test lets time pass. */
async function open(options: HedgeOptions = {}, plugins: readonly Plugin[] = [], targets = ["a", "b"]): Promise<Stage> {
  let time = 0;
  const timers = fakeTimers();
  const stage = await played([hedge({ now: () => time, ...options }), ...plugins], { targets });
  return {
    stage,
    timers,
    async pass(milliseconds) {
      time += milliseconds;
      await timers.pass(milliseconds);
    },
    async take(milliseconds, status = 200) {
      const next = stage.calls.length;
      const response = stage.get();
      const call = await stage.call(next);
      time += milliseconds;
      call.sink.connected();
      call.sink.head(status, {});
      finish(call);
      await (await response).text();
    },
  };
}

/** Milliseconds until a request is hedged; the second target answers some more later. */
async function hedgedAfter({ stage, pass }: Stage, more = 0): Promise<number> {
  const next = stage.calls.length;
  const response = stage.get();
  await stage.call(next);
  let waited = 0;
  for (; stage.calls.length === next + 1 && waited < 1_000; waited++) await pass(1);
  await pass(more);
  answer(await stage.call(next + 1));
  expect(await (await response).text()).toBe("b");
  return waited;
}

/** Timers that are set while a request waits. */
async function waiting({ stage, timers }: Stage, init?: RequestInit): Promise<number> {
  const quiet = timers.pending();
  const next = stage.calls.length;
  const response = stage.get(init);
  const call = await stage.call(next);
  const set = timers.pending() - quiet;
  answer(call);
  await (await response).text();
  return set;
}

describe("the time after which a request is hedged", () => {
  test("is what 95 of a hundred answers of its route took at most, and known after 20 of them", async () => {
    const opened = await open();
    for (let i = 1; i < 20; i++) await opened.take(i * 10);
    expect(await waiting(opened)).toBe(0);
    // Of 0, 10 .. 190.
    expect(await hedgedAfter(opened)).toBe(180);
  });

  test("is no less than `min`", async () => {
    const opened = await open({ after: "p50", min: 30 });
    for (let i = 0; i < 20; i++) await opened.take(2);
    expect(await hedgedAfter(opened)).toBe(30);
  });

  test("is not learned from refusals, which come fast", async () => {
    const opened = await open();
    for (let i = 0; i < 30; i++) await opened.take(1, 400);
    expect(await waiting(opened)).toBe(0);
  });

  test("is that of first targets: what was hedged counts as slow, however fast the second is", async () => {
    const opened = await open({ after: "p50", min: 1 });
    for (let i = 0; i < 20; i++) await opened.take(10);
    for (let i = 0; i < 40; i++) await hedgedAfter(opened, 5);
    expect(await hedgedAfter(opened)).toBe(15);
  });
});

describe("nothing waits for", () => {
  test.each([
    ["a method that was not named", {}, { method: "POST" }],
    ["a method that was not named, among others", { methods: ["OPTIONS"] }, {}],
    [
      "a body that is streamed",
      { methods: ["POST"] },
      { method: "POST", body: "x", headers: { "content-type": "a/b" } },
    ],
    ["a connection that is to be taken over", {}, { headers: { upgrade: "websocket", connection: "upgrade" } }],
  ])("%s", async (_, options, init) => {
    expect(await waiting(await open({ after: 5, ...options }), init)).toBe(0);
  });

  test("a request that only one target can serve", async () => {
    expect(await waiting(await open({ after: 5 }, [], ["a"]))).toBe(0);
  });

  test("a request that is over, answered or not", async () => {
    const opened = await open({ after: 5 });
    const { stage, timers } = opened;
    const quiet = timers.pending();
    expect(await waiting(opened)).toBe(1);
    expect(timers.pending()).toBe(quiet);
    const left = new AbortController();
    const response = stage.get({ signal: left.signal });
    response.catch(() => {});
    await stage.call(1);
    left.abort();
    await stage.log.ended(2);
    expect(timers.pending()).toBe(quiet);
  });

  test("a request whose preparation another plugin refuses", async () => {
    const refusing = hooks({
      upstreamRequest() {
        throw new ProxyError("invalid_request", "No.");
      },
    });
    const { stage, timers } = await open({ after: 5 }, [refusing]);
    const quiet = timers.pending();
    expect((await stage.get()).status).toBe(400);
    await stage.log.ended(1);
    expect(timers.pending()).toBe(quiet);
  });

  test("an answer that has begun", async () => {
    const { stage, timers } = await open({ after: 5 });
    const quiet = timers.pending();
    const response = stage.get();
    const call = await stage.call(0);
    begin(call);
    expect(timers.pending()).toBe(quiet);
    finish(call);
    await (await response).text();
  });

  test("a second attempt", async () => {
    const { stage, timers } = await open({ after: 5 }, [], ["a", "b", "c"]);
    const quiet = timers.pending();
    const response = stage.get();
    refuse(await stage.call(0));
    // The pause before the retry is all that is set.
    expect(timers.pending()).toBe(quiet + 1);
    await timers.pass(250);
    const second = await stage.call(1);
    expect([timers.pending(), stage.calls.length]).toEqual([quiet, 2]);
    answer(second);
    expect(await (await response).text()).toBe("b");
  });
});

test("a request that no other target may take goes on with the one it has", async () => {
  let told = 0;
  const cooling = hooks({
    candidates(x, targets) {
      if (x.attempt === 0) return targets;
      told += 1;
      throw new ProxyError("cooling_down", "All targets are cooling down.");
    },
  });
  const { stage, timers } = await open({ after: 5 }, [cooling]);
  const response = stage.get();
  const call = await stage.call(0);
  await timers.pass(5);
  expect(told).toBe(1);
  answer(call);
  expect(await (await response).text()).toBe("a");
  expect(stage.proxy.lines).toEqual([]);
});

test.each([
  ["a plugin", () => throwing({ hook: true })],
  ["a selector", () => throwing({ hook: false })],
])("%s that throws meanwhile is told of in the log, and the request goes on", async (_, make) => {
  const timers = fakeTimers();
  const stage = await played([hedge({ after: 5 }), make()], { targets: ["a", "b"] });
  const response = stage.get();
  const call = await stage.call(0);
  await timers.pass(5);
  answer(call);
  expect(await (await response).text()).toBe("a");
  expect(stage.proxy.lines.join()).toMatch(/GET \/ cannot be hedged:.*broken/s);
});

test("explain says when, and sets nothing", async () => {
  const { stage, timers } = await open({ after: 5 });
  const quiet = timers.pending();
  const { steps } = await stage.proxy.explain({ path: "/" });
  const note = "hedge: another target is asked after 5 ms without an answer";
  expect(steps).toContainEqual({ phase: "upstreamRequest", note });
  expect((await stage.proxy.explain({ method: "POST", body: "{}" })).steps).toEqual([]);
  expect(timers.pending()).toBe(quiet);
});

/** A plugin that breaks when a second target is looked for. */
function throwing({ hook }: { hook: boolean }): Plugin {
  const fail = (): never => {
    throw new TypeError("broken");
  };
  if (hook) return hooks({ candidates: (x, targets) => (x.attempt === 0 ? targets : fail()) });
  return quickPlugin("throwing", (proxy) => {
    const pick: Selector["pick"] = ([target], x) => (x.attempt === 0 ? target : fail());
    proxy.provide("selector", "throwing", { create: () => ({ pick }) });
  });
}
