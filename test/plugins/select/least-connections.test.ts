import type { RequestListener } from "node:http";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Pool, Selector, Target } from "plugboard";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import {
  fakeExchange,
  type FakePool,
  fakePool,
  type FakeTarget,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { saying, withProxy } from "./upstreams.ts";

testSelector({ test, create: () => leastConnections(), law: ["least", "best", "frugal"] });

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

test("scores each target by its weight over the requests under way", async () => {
  const targets = fakeTargets(4, (index) => ({
    weight: [1, 0, 2, 3][index] ?? 1,
    live: { inflight: [0, 0, 3, -1][index] ?? 0 },
  }));
  const selector = await selectorOf(leastConnections(), fakePool(targets));
  expect(scores(selector, targets)).toEqual([1, 0, 0.5, 3]);
  const weightless = fakeTargets(2, (index) => ({ weight: 0, live: { inflight: index } }));
  expect(scores(selector, weightless)).toEqual([1, 0.5]);
});

describe("a long list", () => {
  test("is picked from as a short one is: the least busy, whatever starts, ends and is picked", async () => {
    const step = fc.tuple(fc.constantFrom("start", "end", "retry", "change"), fc.nat());
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 150 }), async (steps) => {
        const all = fakeTargets(200, (index) => ({ weight: [1, 2, 0, 0.5][index % 4] ?? 1 }));
        const pool = fakePool(all);
        const selector = await selectorOf(leastConnections(), pool);
        const under: FakeTarget[] = [];
        for (const [what, n] of steps) {
          if (what === "change") {
            pool.change(all, all.slice(n % 50, 150 + (n % 50)));
            selector.update?.(pool.snapshot);
          }
          const { available } = pool.snapshot as { available: readonly FakeTarget[] };
          const ended = what === "end" ? under.splice(n % Math.max(1, under.length), 1)[0] : undefined;
          if (ended !== undefined) load(pool, ended, ended.live.inflight - 1);
          const tried = what === "retry" ? available.slice(0, n % 20) : [];
          const list = tried.length > 0 ? available.slice(tried.length) : available;
          const picked = selector.pick(list, fakeExchange({ tried })) as FakeTarget;
          expect(busy(picked)).toBe(Math.min(...list.map(busy)));
          load(pool, picked, picked.live.inflight + 1);
          under.push(picked);
        }
      }),
      { numRuns: 60, seed: 3 },
    );
  });

  test("goes round among idle targets, and on from there when the list changes", async () => {
    const all = fakeTargets(300);
    const { pool, selector } = await withPool(all);
    expect(rows(selector, all, 299)).toEqual(all.slice(0, 299).map(({ id }) => id));
    pool.change(all, all.slice(1));
    selector.update?.(pool.snapshot);
    const list = pool.snapshot.available;
    expect(rows(selector, all, 3)).toEqual(["t300", "t1", "t2"]);
    expect(rows(selector, list, 3)).toEqual(["t4", "t5", "t6"]);
  });

  test("is asked about at every change of load, once for each selector and only when it is long", async () => {
    const all = fakeTargets(300);
    const pool = fakePool(all);
    let listeners = 0;
    const counted: Pool = { ...pool, snapshot: pool.snapshot, onLoad: () => void (listeners += 1) };
    const selector = await selectorOf(leastConnections(), counted);
    rows(selector, Object.freeze(all.slice(0, 128)), 5);
    expect(listeners).toBe(0);
    for (const list of [all, Object.freeze(all.slice(1)), all]) {
      selector.update?.(pool.snapshot);
      rows(selector, list, 5);
    }
    expect(listeners).toBe(1);
  });

  test("stays in order over lists that are made for one pick", async () => {
    const all = fakeTargets(300);
    const { pool, selector } = await withPool(all);
    rows(selector, all, 2);
    const read = countReads(all[299] as FakeTarget);
    const long = Object.freeze(all.with(299, read.target));
    rows(selector, long, 3);
    const before = read.count();
    for (let i = 0; i < 20; i++) {
      const one = selector.pick(long, fakeExchange()) as FakeTarget;
      load(pool, one, 1);
      selector.pick(Object.freeze(long.slice(0, 299)), fakeExchange(i % 2 === 0 ? { tried: [read.target] } : {}));
    }
    expect(read.count() - before).toBeLessThan(5);
  });

  test("is let go when the pool changes", async () => {
    const read = countReads(fakeTargets(1)[0] as FakeTarget);
    const all = Object.freeze(fakeTargets(300).with(0, read.target));
    const { pool, selector } = await withPool(all);
    rows(selector, all, 2);
    load(pool, read.target, 1);
    const before = read.count();
    selector.update?.(pool.snapshot);
    load(pool, read.target, 2);
    expect(read.count()).toBe(before);
  });

  test("hears of targets that it does not know", async () => {
    const all = fakeTargets(300);
    const { pool, selector } = await withPool(all);
    rows(selector, all, 2);
    const [stranger] = fakeTargets(1) as unknown as readonly [FakeTarget];
    load(pool, stranger, 5);
    selector.update?.(pool.snapshot);
    load(pool, stranger, 4);
    expect(rows(selector, all, 3)).toEqual(["t3", "t4", "t5"]);
  });
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

async function withPool(all: readonly FakeTarget[]): Promise<{ pool: FakePool; selector: Selector }> {
  const pool = fakePool(all);
  return { pool, selector: await selectorOf(leastConnections(), pool) };
}

function rows(selector: Selector, targets: readonly Target[], count: number): (string | undefined)[] {
  return Array.from({ length: count }, () => selector.pick(targets, fakeExchange())?.id);
}

function scores(selector: Selector, targets: readonly Target[]): number[] {
  const into = new Float64Array(targets.length);
  selector.score?.(targets, fakeExchange(), into);
  return [...into];
}

function load(pool: FakePool, target: FakeTarget, inflight: number): void {
  target.live.inflight = inflight;
  pool.load(target);
}

function busy({ live, weight }: Target): number {
  return (Math.max(0, live.inflight) + 1) / weight;
}

/** The same target, which counts how often its weight is looked at. */
function countReads(target: FakeTarget): { target: FakeTarget; count: () => number } {
  let count = 0;
  const counting = Object.defineProperty({ ...target }, "weight", {
    get: () => {
      count += 1;
      return target.weight;
    },
  });
  return { target: counting, count: () => count };
}
