import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Selector, Target } from "plugboard";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import {
  fakeExchange,
  fakePool,
  fakeTargets,
  selectorOf,
  servicesOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { saying, withProxy } from "./upstreams.ts";

testSelector({ test, create: () => roundRobin(), law: ["proportional", "frugal"] });

testPlugin({ test, create: () => roundRobin() });

const x = fakeExchange();

describe("the order of turns", () => {
  test("is nginx's: 5 to 1 to 1 is a a b a c a a", async () => {
    const targets = weighing([5, 1, 1]);
    expect(turns(await fresh(targets), targets, 14)).toBe("11213111121311");
  });

  test("is nginx's for any weights, time and again", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 9 }), async (weights) => {
        const targets = weighing(weights);
        expect(turns(await fresh(targets), targets, 400)).toBe(nginx(weights, 400));
      }),
    );
  });

  test("is that of the smallest whole numbers in the same proportion", async () => {
    for (const weights of [
      [50, 10, 10],
      [0.5, 0.1, 0.1],
      [2.5, 0.5, 0.5],
    ]) {
      const targets = weighing(weights);
      expect(turns(await fresh(targets), targets, 14)).toBe("11213111121311");
    }
  });

  test("holds for weights too far apart for a schedule", async () => {
    const targets = weighing([1_000_000, 1]);
    const picked = turns(await fresh(targets), targets, 1_000_001);
    expect(picked.split("2").length - 1).toBe(1);
  });

  test("holds for weights that are no decimals", async () => {
    const targets = weighing([1 / 3, 2 / 3, 1 / 7]);
    expect(turns(await fresh(targets), targets, 200)).toBe(nginx([1 / 3, 2 / 3, 1 / 7], 200));
  });

  test("is plain for 10,000 equal targets", async () => {
    const targets = fakeTargets(10_000);
    const selector = await fresh(targets);
    for (let i = 0; i < 20_000; i++) expect(selector.pick(targets, x)).toBe(targets[i % 10_000]);
  });
});

describe("when the list changes", () => {
  test("the next in turn stays the next", async () => {
    const all = fakeTargets(4);
    const selector = await fresh(all);
    expect(turns(selector, all, 2)).toBe("12");
    expect(turns(selector, all.slice(1), 3)).toBe("342");
    expect(turns(selector, all, 1)).toBe("3");
  });

  test("a target that was down for a moment has not lost its turn", async () => {
    const all = fakeTargets(3);
    const selector = await fresh(all);
    expect(turns(selector, all, 2)).toBe("12");
    expect(turns(selector, all.slice(0, 2), 2)).toBe("12");
    expect(turns(selector, all, 1)).toBe("3");
  });

  test("what is owed to a target that left the pool is forgotten", async () => {
    const all = fakeTargets(3);
    const pool = fakePool(all);
    const selector = await fresh(all);
    turns(selector, all, 1);
    for (const members of [all.slice(0, 2), all.slice(0, 2), all]) {
      pool.change(members);
      selector.update?.(pool.snapshot);
      turns(selector, members, 2);
    }
    const scores = selector.explain?.(fakeTargets(3), x) ?? [];
    expect(scores.map(({ score }) => Number.isFinite(score))).toEqual([true, true, true]);
  });

  test("every target keeps within two turns of its part, whatever comes and goes", async () => {
    const step = fc.record({
      members: fc.subarray([0, 1, 2, 3, 4, 5], { minLength: 1 }),
      turns: fc.integer({ min: 1, max: 9 }),
    });
    const weights = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(weights, fc.array(step, { maxLength: 60 }), async (given, steps) => {
        const all = weighing(given);
        const selector = await fresh(all);
        const ahead = new Map(all.map((target) => [target.id, 0]));
        for (const { members, turns: count } of steps) {
          const list = members.map((index) => all[index] as Target);
          const total = list.reduce((sum, { weight }) => sum + weight, 0);
          for (let i = 0; i < count; i++) {
            const picked = selector.pick(list, x);
            for (const { id, weight } of list)
              ahead.set(id, (ahead.get(id) ?? 0) - weight / total + (id === picked?.id ? 1 : 0));
          }
        }
        for (const value of ahead.values()) expect(Math.abs(value)).toBeLessThan(2);
      }),
    );
  });

  test("a new list for each pick is no reason to start over", async () => {
    const all = fakeTargets(3);
    const selector = await fresh(all);
    const picked = Array.from({ length: 6 }, () => selector.pick([...all], x)?.id);
    expect(picked).toEqual(["t1", "t2", "t3", "t1", "t2", "t3"]);
  });
});

describe("turns of a long list", () => {
  const weights = Array.from({ length: 300 }, (_, index) => [1, 5, 0.5, 2][index % 4] as number);
  const total = weights.reduce((sum, weight) => sum + weight, 0);

  test("each target keeps within two turns of its part, at any time", async () => {
    const targets = weighing(weights);
    const selector = await fresh(targets);
    const got = new Map(targets.map((target) => [target.id, 0]));
    for (let turn = 1; turn <= 3_000; turn++) {
      const { id } = selector.pick(targets, x) as Target;
      got.set(id, (got.get(id) ?? 0) + 1);
      if (turn % 50 !== 0) continue;
      for (const target of targets)
        expect(Math.abs((got.get(target.id) ?? 0) - (turn * target.weight) / total)).toBeLessThan(2);
    }
  });

  test("who comes and goes does not make the others start over", async () => {
    const all = weighing(weights);
    const selector = await fresh(all);
    const ahead = new Map(all.map((target) => [target.id, 0]));
    for (let round = 0; round < 60; round++) {
      const list = all.filter((_, index) => index % 7 !== round % 7);
      const sum = list.reduce((so, { weight }) => so + weight, 0);
      for (let i = 0; i < 40; i++) {
        const picked = selector.pick(list, x);
        for (const { id, weight } of list)
          ahead.set(id, (ahead.get(id) ?? 0) - weight / sum + (id === picked?.id ? 1 : 0));
      }
    }
    for (const value of ahead.values()) expect(Math.abs(value)).toBeLessThan(2);
  });

  test("no target has two turns in a row, and all alike take them in order", async () => {
    const targets = fakeTargets(200);
    const selector = await fresh(targets);
    const rounds = Array.from({ length: 400 }, () => selector.pick(targets, x)?.id);
    expect(rounds).toEqual([...targets, ...targets].map(({ id }) => id));
  });

  test("explains who is next", async () => {
    const targets = weighing([0, ...weights]);
    const selector = await fresh(targets);
    for (let i = 0; i < 20; i++) {
      const scores = selector.explain?.(targets, x) ?? [];
      const most = Math.max(...scores.map(({ score }) => score));
      const next = selector.pick(targets, x)?.id;
      expect(scores.filter(({ score }) => score === most).map(({ id }) => id)).toContain(next);
      expect(scores[0]).toEqual({ id: "t1", score: 0, note: "weight 0: takes no turns" });
    }
  });
});

test("a retry takes no turn from those in the list", async () => {
  const all = fakeTargets(4);
  const selector = await fresh(all);
  const picked = Array.from({ length: 8 }, () => {
    const { id } = selector.pick(all, x) as Target;
    selector.pick(all.slice(1), fakeExchange({ tried: [all[0] as Target] }));
    return id;
  });
  expect(picked).toEqual(["t1", "t2", "t3", "t4", "t1", "t2", "t3", "t4"]);
});

test("each route takes turns of its own", async () => {
  const service = (await servicesOf("selector", [roundRobin()])).get("round-robin");
  const targets = fakeTargets(3);
  const [one, other] = [service?.create(fakePool(targets), "r"), service?.create(fakePool(targets), "r")] as [
    Selector,
    Selector,
  ];
  expect(turns(one, targets, 2)).toBe("12");
  expect(turns(other, targets, 2)).toBe("12");
  expect(turns(one, targets, 2)).toBe("31");
});

test("explains who is next and who takes no turns", async () => {
  const targets = weighing([3, 1, 0]);
  const selector = await fresh(targets);
  for (let i = 0; i < 20; i++) {
    const scores = selector.explain?.(targets, x) ?? [];
    const best = scores.toSorted((a, b) => b.score - a.score)[0];
    expect(scores[2]).toEqual({ id: "t3", score: 0, note: "weight 0: takes no turns" });
    expect(selector.pick(targets, x)?.id).toBe(best?.id);
  }
  expect(selector.explain?.(targets, x)[0]).toEqual({
    id: "t1",
    score: 1.75,
    note: "is owed 0.00 turns",
  });
});

test("shares requests out among upstreams, and those of one that refuses among the others", async () => {
  await withProxy(roundRobin(), [saying("a"), null, saying("b"), saying("c")], async (get) => {
    const got: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 48; i++) got[await get()]! += 1;
    expect(got).toEqual({ a: 16, b: 16, c: 16 });
  });
});

function fresh(targets: readonly Target[]): Promise<Selector> {
  return selectorOf(roundRobin(), fakePool(targets));
}

function weighing(weights: readonly number[]): readonly Target[] {
  return fakeTargets(weights.length, (index) => ({ weight: weights[index] ?? 1 }));
}

/** The numbers of the targets picked: `1121311`. */
function turns(selector: Selector, targets: readonly Target[], count: number): string {
  let picked = "";
  for (let i = 0; i < count; i++) picked += selector.pick(targets, x)?.id.slice(1);
  return picked;
}

/** The loop of ngx_http_upstream_get_peer, without failures. */
function nginx(weights: readonly number[], count: number): string {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const current = weights.map(() => 0);
  let picked = "";
  for (let i = 0; i < count; i++) {
    let best = 0;
    for (const [k, weight] of weights.entries()) {
      current[k] = (current[k] ?? 0) + weight;
      if ((current[k] ?? 0) > (current[best] ?? 0)) best = k;
    }
    current[best] = (current[best] ?? 0) - total;
    picked += String(best + 1);
  }
  return picked;
}
