import { describe, expect, test, vi } from "vitest";
import * as v from "valibot";
import { definePlugin, defineSelector, isPlugin, type Plugin, type Target } from "plugboard";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { fakeExchange, fakePool, fakeTarget, fakeTargets, selectorOf, testSelector } from "plugboard/testing";
import { selector, weighted, withWeight } from "./broken-selectors.ts";
import { failures } from "./failures.ts";

// Each test runs a whole suite.
vi.setConfig({ testTimeout: 30_000 });

const fails = (create: () => Plugin) => failures((run) => testSelector({ test: run, create }));

const fromList = "picks from the list it is given, whatever its length";
const someWeights = "picks from a list of which only some have a weight of their own";
const anyState = "picks when all are busy, failing or unmeasured";
const weightZero = "never picks a target of weight 0 while another has a weight";
const allZero = "picks although every weight is 0";
const unchanged = "changes neither the list nor the targets";
const left = "never picks a target that has left, and goes on when targets come back";
const leftPool = "never picks a target that has left the pool, and goes on after an empty pool";
const reloaded = "returns the target as it stands in the list, not as it was before a reload";
const retry = "picks for a retry from what is left, and from all again after it";
const gone = "picks when the client is gone already";
const oddEnds = "goes on when attempts end twice, never began, never end, or belong to a target that is gone";
const flood = "does not flood a target whose attempts ended more often than they began";
const alike = "two new instances pick alike";
const shared = "two instances share nothing";
const explains = "explains each target of the list once, and picks as if it had not";

describe("the suite passes", () => {
  test("a selector of one line that heeds weight 0", async () => {
    expect(await fails(defineSelector({ name: "first", pick: weighted }))).toEqual([]);
  });

  test("one that counts by itself and is careful about it", async () => {
    const careful = selector(() => {
      const busy = new Map<string, number>();
      return {
        pick(targets) {
          const able = targets.filter(({ weight }) => weight > 0);
          return (able.length > 0 ? able : targets).reduce((a, b) =>
            (busy.get(b.id) ?? 0) < (busy.get(a.id) ?? 0) ? b : a,
          );
        },
        attemptStart: ({ id }) => void busy.set(id, (busy.get(id) ?? 0) + 1),
        attemptEnd: ({ id }) => void busy.set(id, Math.max(0, (busy.get(id) ?? 0) - 1)),
      };
    });
    expect(await fails(careful)).toEqual([]);
  });

  test("one that draws by the random numbers it is given", async () => {
    const drawing = selector((_pool, { random }) => ({
      pick: (targets) => withWeight(targets)[Math.floor(random() * withWeight(targets).length)],
    }));
    expect(await fails(drawing)).toEqual([]);
  });

  test("one that wraps the selector of another plugin", async () => {
    const wrapping = defineSelector({
      name: "wrapping",
      options: v.strictObject({ inner: v.custom<Plugin>(isPlugin) }),
      create: (_pool, { inner }, tools) => tools.inner(inner),
    });
    expect(
      await failures((run) =>
        testSelector({ test: run, create: () => wrapping({ inner: roundRobin() }), law: "proportional" }),
      ),
    ).toEqual([]);
  });

  test("one that uses another plugin's selector", async () => {
    const wrapper = definePlugin({
      name: "wrapper",
      setup(proxy) {
        const inner = proxy.use("selector", "round-robin");
        proxy.provide("selector", "wrapper", { create: (pool, route) => inner.value.create(pool, route) });
      },
    });
    const targets = fakeTargets(2);
    const wrapped = await selectorOf(wrapper(), fakePool(targets), [roundRobin()]);
    expect([1, 2, 3].map(() => wrapped.pick(targets, fakeExchange())?.id)).toEqual(["t1", "t2", "t1"]);
  });
});

describe("the suite fails a selector that", () => {
  const outsider = fakeTarget({ id: "outsider" });

  const broken: readonly (readonly [string, () => Plugin, readonly string[]])[] = [
    ["picks a target outside of the list", selector(() => ({ pick: () => outsider })), [fromList, retry, gone]],
    [
      "picks a copy of a target",
      selector(() => ({ pick: (targets) => ({ ...(weighted(targets) as Target) }) })),
      [fromList],
    ],
    [
      "picks nothing from long lists",
      selector(() => ({
        pick: (targets) => (targets.length > 999 ? undefined : weighted(targets)),
      })),
      [fromList],
    ],
    [
      "picks nothing when all weights are 0",
      selector(() => ({ pick: (targets) => targets.find(({ weight }) => weight > 0) })),
      [allZero],
    ],
    [
      "picks nothing when all are busy",
      selector(() => ({
        pick: (targets) =>
          targets.find(({ live, weight }) => live.inflight < 1_000 && weight > 0) ??
          targets.find(({ live }) => live.inflight === 0),
      })),
      [anyState],
    ],
    [
      "divides by a latency that was never measured",
      selector(() => ({
        pick(targets) {
          const able = targets.filter(({ weight }) => weight > 0);
          const total = able.reduce((sum, { live }) => sum + (live.ttfb > 0 ? 0 : 1), 0);
          return targets.some(({ live }) => live.ttfb > 0) ? able[able.length / (total - 1)] : weighted(targets);
        },
      })),
      [anyState],
    ],
    [
      "throws away small weights",
      selector(() => ({
        pick: (targets) =>
          targets.find(({ weight }) => Math.round(weight) >= 1 && weight < 1e6 && weight !== 1) ??
          (targets.length < 5 ? weighted(targets) : undefined),
      })),
      [someWeights],
    ],
    ["picks weight 0", selector(() => ({ pick: (targets) => targets[0] })), [weightZero]],
    [
      "picks the idle one although its weight is 0",
      selector(() => ({
        pick: (targets) => targets.reduce((a, b) => (b.live.inflight < a.live.inflight ? b : a)),
      })),
      [weightZero],
    ],
    [
      "takes its pick out of the list",
      selector(() => ({ pick: (targets) => (targets as Target[]).shift() })),
      [unchanged],
    ],
    [
      "counts in the target",
      selector(() => ({
        pick(targets) {
          const picked = weighted(targets);
          if (picked) (picked.live as { requests: number }).requests += 1;
          return picked;
        },
      })),
      [unchanged],
    ],
    [
      "keeps to its first list",
      selector(() => {
        let first: readonly Target[] | undefined;
        return { pick: (targets) => weighted((first ??= targets)) };
      }),
      [left, leftPool, reloaded],
    ],
    [
      "keeps targets by id",
      selector(() => {
        const known = new Map<string, Target>();
        return {
          pick(targets) {
            const picked = weighted(targets) as Target;
            if (!known.has(picked.id)) known.set(picked.id, picked);
            return known.get(picked.id);
          },
        };
      }),
      [reloaded],
    ],
    [
      "does not notice a new list of the same length",
      selector(() => {
        let known: readonly Target[] = [];
        return {
          pick: (targets) => weighted((known = known.length === targets.length ? known : targets)),
        };
      }),
      [left, reloaded],
    ],
    [
      "picks from the pool rather than from the list",
      selector((pool) => ({
        pick: (targets) => (pool.snapshot.available.length > 0 ? weighted(pool.snapshot.available) : weighted(targets)),
      })),
      [retry],
    ],
    [
      "cannot take an empty pool",
      selector(() => ({
        pick: weighted,
        update(snapshot) {
          snapshot.available.reduce((a, b) => (a.weight > b.weight ? a : b));
        },
      })),
      [leftPool],
    ],
    [
      "sticks to its last pick, tried or not",
      selector(() => {
        let last: Target | undefined;
        return { pick: (targets, x) => (x.tried.length > 0 ? last : (last = weighted(targets))) };
      }),
      [retry],
    ],
    [
      "throws for a client that is gone",
      selector(() => ({ pick: (targets, x) => (x.signal.throwIfAborted(), weighted(targets)) })),
      [gone],
    ],
    [
      "throws for an end without a start",
      selector(() => {
        const busy = new Map<string, number>();
        return {
          pick: weighted,
          attemptStart: ({ id }) => void busy.set(id, 1),
          attemptEnd({ id }) {
            if (!busy.delete(id)) throw new Error(`no attempt on ${id}`);
          },
        };
      }),
      [oddEnds],
    ],
    [
      "lets its counters fall below zero",
      selector(() => {
        const busy = new Map<string, number>();
        const add = (id: string, count: number) => void busy.set(id, (busy.get(id) ?? 0) + count);
        return {
          pick(targets) {
            const able = targets.filter(({ weight }) => weight > 0);
            return (able.length > 0 ? able : targets).reduce((a, b) =>
              (busy.get(b.id) ?? 0) < (busy.get(a.id) ?? 0) ? b : a,
            );
          },
          attemptStart: ({ id }) => add(id, 1),
          attemptEnd: ({ id }) => add(id, -1),
        };
      }),
      [flood],
    ],
    [
      "is random without a seed",
      selector(() => ({ pick: (targets) => targets[Math.floor(Math.random() * targets.length)] })),
      [alike, shared],
    ],
    [
      "scores too few",
      selector(() => ({
        pick: weighted,
        explain: (targets) => targets.slice(1).map(({ id }) => ({ id, score: 1 })),
      })),
      [explains],
    ],
    [
      "scores with no number",
      selector(() => ({
        pick: weighted,
        explain: (targets) => targets.map(({ id }) => ({ id, score: 0 / 0 })),
      })),
      [explains],
    ],
    [
      "takes a turn to explain",
      selector(() => {
        let next = 0;
        return {
          pick: (targets) => targets[next++ % targets.length],
          explain(targets) {
            const head = next++ % targets.length;
            return targets.map(({ id }, index) => ({ id, score: index === head ? 1 : 0 }));
          },
        };
      }),
      [explains],
    ],
  ];

  for (const [what, create, names] of broken) {
    test(what, async () => {
      expect(await fails(create)).toEqual(expect.arrayContaining([...names]));
    });
  }

  test("keeps its state in the module", async () => {
    let next = 0;
    const global = selector(() => ({ pick: (targets) => targets[next++ % targets.length] }));
    expect(await fails(global)).toEqual(expect.arrayContaining([shared]));
  });

  test("provides nothing, or wants what is not there", async () => {
    const nothing = definePlugin({
      name: "nothing",
      options: v.strictObject({}),
      setup: () => undefined,
    });
    expect(await fails(nothing)).toContain(fromList);
  });
});
