import { describe, expect, test } from "vitest";
import { viewTarget } from "plugboard";
import { fakeExchange, fakeOutcome, fakePool, fakeTarget, fakeTargets, seededRandom } from "plugboard/testing";

describe("a fake target", () => {
  test("has every field, and those that were given", () => {
    expect(fakeTarget({ id: "a", weight: 3, live: { inflight: 2 } })).toEqual({
      id: "a",
      origin: "http://127.0.0.1:9000",
      basePath: "",
      weight: 3,
      models: [],
      labels: {},
      meta: {},
      live: { inflight: 2, requests: 0, failures: 0, ttfb: 0, lastFailure: 0 },
    });
  });

  test("is frozen but for its counters", () => {
    const target = fakeTarget();
    expect(() => Object.assign(target, { weight: 2 })).toThrow(TypeError);
    target.live.inflight = 5;
    expect(target.live.inflight).toBe(5);
  });

  test("shares its counters with a view of it", () => {
    const target = fakeTarget();
    const view = viewTarget(target, { weight: 7 });
    target.live.inflight = 5;
    expect([view.id, view.weight, view.live.inflight]).toEqual([target.id, 7, 5]);
  });
});

test("fake targets are a frozen list of different ones", () => {
  const targets = fakeTargets(3, (index) => ({ weight: index }));
  expect(targets.map(({ id, origin, weight }) => [id, origin, weight])).toEqual([
    ["t1", "http://127.0.0.1:9001", 0],
    ["t2", "http://127.0.0.1:9002", 1],
    ["t3", "http://127.0.0.1:9003", 2],
  ]);
  expect(Object.isFrozen(targets)).toBe(true);
  expect(new Set(targets.map(({ live }) => live)).size).toBe(3);
});

describe("a fake exchange", () => {
  test("is a first attempt unless it has tried targets", () => {
    expect(fakeExchange().attempt).toBe(0);
    expect(fakeExchange({ tried: fakeTargets(2) }).attempt).toBe(2);
  });

  test("parses the body it was given", () => {
    const body = new TextEncoder().encode('{"model":"m"}');
    expect(fakeExchange({ body }).json()).toEqual({ model: "m" });
    expect(fakeExchange().json()).toBeUndefined();
  });

  test("has no JSON in a body that is not JSON, and parses but once", () => {
    const encode = (text: string) => new TextEncoder().encode(text);
    for (const text of ["", "{", "text", "\uFEFF{}"])
      expect(fakeExchange({ body: encode(text) }).json()).toBeUndefined();
    const x = fakeExchange({ body: encode("{}") });
    expect(x.json()).toBe(x.json());
  });

  test("shares nothing with another", () => {
    const [one, other] = [fakeExchange(), fakeExchange()];
    one.upstream.headers.a = "b";
    expect(other.upstream.headers).toEqual({});
    expect(one.signal).not.toBe(other.signal);
  });
});

test("a fake outcome is a success unless told otherwise", () => {
  expect(fakeOutcome()).toMatchObject({ kind: "ok", status: 200, error: undefined });
  expect(fakeOutcome({ kind: "reset", status: 0 })).toMatchObject({ kind: "reset", status: 0 });
});

test("a fake pool publishes frozen snapshots to its listeners", () => {
  const [a, b] = fakeTargets(2);
  const pool = fakePool([a!, b!]);
  const first = pool.snapshot;
  const seen: number[] = [];
  pool.onChange(({ version }) => seen.push(version));
  pool.change([a!, b!], [b!]);
  pool.change([]);
  expect(first).toEqual({ version: 1, all: [a, b], available: [a, b], disabled: [] });
  expect(pool.snapshot).toEqual({ version: 3, all: [], available: [], disabled: [] });
  expect(Object.isFrozen(first) && Object.isFrozen(first.all) && Object.isFrozen(first.available)).toBe(true);
  expect(seen).toEqual([2, 3]);
  expect(pool.verdicts("t1")).toEqual([]);
});

test("seeded numbers are the same for the same seed, others for another, and spread evenly", () => {
  const row = (seed: number, length: number) => {
    const next = seededRandom(seed);
    return Array.from({ length }, () => next());
  };
  expect(row(1, 5)).toEqual(row(1, 5));
  expect(row(1, 5)).not.toEqual(row(2, 5));
  const counts = Array.from({ length: 10 }, () => 0);
  for (const value of row(3, 100_000)) counts[Math.floor(value * 10)]! += 1;
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(9_000));
});
