import { expect, test } from "vitest";
import { type Exchange, type Outcome, ProxyError, type Route } from "plugboard";
import { fakeExchange, fakeOutcome } from "plugboard/testing";
import { type Counters, createCounters, type Usage } from "../../../plugins/stats/_counters.ts";

interface Told {
  readonly x?: Partial<Exchange>;
  readonly outcome?: Partial<Outcome>;
  readonly usage?: Usage;
}

function count(counters: Counters, { x, outcome, usage }: Told = {}): void {
  counters.count(fakeExchange(x), fakeOutcome(outcome), usage);
}

function counted(...all: readonly Told[]): ReturnType<Counters["view"]> {
  const counters = createCounters(1_000);
  for (const told of all) count(counters, told);
  return counters.view();
}

const route = { name: "chat" } as Route;

test("counts by kind of end and by class of status", () => {
  const { requests } = counted(
    {},
    { outcome: { status: 204 } },
    { outcome: { status: 404 } },
    { outcome: { status: 503, kind: "status" } },
    { outcome: { status: 0, kind: "client-abort" } },
    { outcome: { status: 200, kind: "local" } },
  );
  expect(requests.total).toBe(6);
  expect(requests.kinds).toMatchObject({
    ok: 3,
    status: 1,
    "client-abort": 1,
    local: 1,
    connect: 0,
    "stream-error": 0,
  });
  expect(requests.statuses).toEqual({ none: 1, "1xx": 0, "2xx": 3, "3xx": 0, "4xx": 1, "5xx": 1 });
});

test("counts a status that is in no class", () => {
  expect(counted({ outcome: { status: 999 } }).requests.statuses).toMatchObject({ "9xx": 1, "2xx": 0 });
});

test("adds up bytes and tokens", () => {
  const usage = { promptTokens: 3, completionTokens: 4, totalTokens: 7 };
  const view = counted(
    { outcome: { bytesIn: 1, bytesOut: 10 }, usage },
    { outcome: { bytesIn: 2, bytesOut: 20 }, usage },
    {},
  );
  expect(view.bytes).toEqual({ in: 3, out: 32 });
  expect(view.tokens).toEqual({ promptTokens: 6, completionTokens: 8, totalTokens: 14 });
});

test("counts routes and models by name", () => {
  const usage = { promptTokens: 3, completionTokens: 4, totalTokens: 7 };
  const view = counted(
    { x: { route, model: "a" }, usage },
    { x: { route, model: "b" } },
    { x: { route, model: "a" }, outcome: { kind: "reset", status: 502 } },
    { x: { route } },
  );
  expect(view.routes).toEqual({ chat: { requests: 4, failures: 1, promptTokens: 3, completionTokens: 4 } });
  expect(view.models).toEqual({
    a: { requests: 2, failures: 1, promptTokens: 3, completionTokens: 4 },
    b: { requests: 1, failures: 0, promptTokens: 0, completionTokens: 0 },
  });
});

test.each<[string, Partial<Outcome>, number]>([
  ["an answer", { kind: "ok" }, 0],
  ["an answer of 404", { kind: "ok", status: 404 }, 0],
  ["an answer of 500", { kind: "status", status: 500 }, 1],
  ["a cut stream", { kind: "stream-error" }, 1],
  ["no target", { kind: "local", error: new ProxyError("no_targets", "") }, 1],
  ["a rate limit", { kind: "local", error: new ProxyError("rate_limited", "") }, 0],
  ["a client that left", { kind: "client-abort", error: new ProxyError("client_closed", "") }, 0],
  ["a plugin that failed", { kind: "plugin", error: new ProxyError("plugin_error", "") }, 1],
])("%s counts as %#: failures", (_name, outcome, failures) => {
  expect(counted({ x: { route }, outcome }).routes.chat?.failures).toBe(failures);
});

test("does not count the model of a request that found no route: anyone may write anything there", () => {
  const { models, routes } = counted({ x: { model: "whatever" }, outcome: { kind: "local", status: 404 } });
  expect([models, routes]).toEqual([{}, {}]);
});

test("keeps so many names, and counts all others together", () => {
  const counters = createCounters(3);
  for (let i = 0; i < 10; i++) count(counters, { x: { route: { name: `r${i}` } as Route, model: `m${i}` } });
  for (let i = 0; i < 10; i++) count(counters, { x: { route: { name: "r0" } as Route, model: "other" } });
  const { routes, models } = counters.view();
  expect(Object.entries(routes).map(([name, { requests }]) => [name, requests])).toEqual([
    ["r0", 11],
    ["r1", 1],
    ["r2", 1],
    ["other", 7],
  ]);
  expect(Object.entries(models).map(([name, { requests }]) => [name, requests])).toEqual([
    ["m0", 1],
    ["m1", 1],
    ["m2", 1],
    ["other", 17],
  ]);
});

test("takes names that objects have a meaning for", () => {
  const { models } = counted(...["__proto__", "constructor", "toString"].map((model) => ({ x: { route, model } })));
  expect(Object.keys(models)).toEqual(["__proto__", "constructor", "toString"]);
  expect(JSON.stringify(models)).toContain('"__proto__":{"requests":1');
});

test("measures what an upstream answered, in milliseconds", () => {
  const outcomes = Array.from({ length: 100 }, (_, i) => ({
    x: { route },
    outcome: { ttfb: i + 1, duration: (i + 1) * 10 },
  }));
  const { ttfb, duration } = counted(...outcomes).latency;
  const near = (value: number): unknown => expect.closeTo(value, value > 100 ? -1 : 0);
  expect(ttfb).toEqual({ count: 100, mean: near(50.5), p50: near(50), p95: near(95), p99: near(99), max: near(100) });
  expect(duration).toMatchObject({ count: 100, p50: near(500), p99: near(990) });
});

test("measures neither what was answered here nor what never was", () => {
  const { ttfb, duration } = counted(
    { x: { route }, outcome: { kind: "connect", ttfb: 0 } },
    { outcome: { kind: "local", ttfb: 0 } },
  ).latency;
  const none = { count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 };
  expect([ttfb, duration]).toEqual([none, none]);
});

test("takes times that are shorter or longer than it can tell", () => {
  const { ttfb } = counted({ x: { route }, outcome: { ttfb: 1e-9, duration: 1e12 } }).latency;
  expect(ttfb.p50).toBeCloseTo(0.001);
});
