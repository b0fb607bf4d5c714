import { describe, expect, test } from "vitest";
import { type Selector, type Target, viewTarget } from "plugboard";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  type FakeTarget,
  type FakeTargetFields,
  fakeTargets,
} from "plugboard/testing";
import { createTiers } from "../../../plugins/select/_tiers.ts";

test("asks one inner selector for each rank, with the same frozen list each time", () => {
  const targets = ranked([1, 0, 1, 0]);
  const { selector, given } = tiered({});
  selector.pick(targets, fakeExchange());
  const retry = fakeExchange({ tried: [targets[1] as Target] });
  selector.pick(Object.freeze(targets.toSpliced(1, 1)), retry);
  selector.pick(targets, fakeExchange());
  const [first, passing, again] = given as [readonly Target[], readonly Target[], readonly Target[]];
  expect([ids(first), ids(passing)]).toEqual([["t2", "t4"], ["t4"]]);
  expect(again).toBe(first);
  expect(Object.isFrozen(first)).toBe(true);
});

describe("a full tier", () => {
  test("is passed over when every target of it has as much under way as is allowed for its weight", () => {
    const targets = ranked([0, 0, 1], (index) => ({ weight: [1, 2.5, 1][index] ?? 1 }));
    const { selector } = tiered({ maxInflight: 2 });
    const at = (...inflight: number[]): string | undefined => {
      load(targets, ...inflight);
      return selector.pick(targets, fakeExchange())?.id;
    };
    expect([at(2, 4), at(1, 9), at(2, 5), at(9, 9), at(2, 4), at(0, 0), at(-1, 5)]).toEqual([
      "t1",
      "t1",
      "t3",
      "t3",
      "t1",
      "t1",
      "t1",
    ]);
  });

  test("has room for one attempt at least, however small the weight", () => {
    const targets = ranked([0, 1], () => ({ weight: 0.01 }));
    const { selector } = tiered({ maxInflight: 1 });
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
    load(targets, 1);
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t2");
  });

  test("is used all the same when all are full, the first of them", () => {
    const targets = ranked([2, 1, 1], () => ({ live: { inflight: 3 } }));
    const { selector } = tiered({ maxInflight: 3 });
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t2");
  });

  test("counts a weight of 0 as 1 where none has a weight", () => {
    const targets = ranked([0, 1], () => ({ weight: 0 }));
    const { selector } = tiered({ maxInflight: 2 });
    load(targets, 1);
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
    load(targets, 2);
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t2");
  });

  test("never comes about unless a limit is set", () => {
    const targets = ranked([0, 1], () => ({ live: { inflight: 1e9 } }));
    const { selector } = tiered({});
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
  });
});

describe("its inner selectors", () => {
  test("may decline, and then the next tier is asked, full ones at last", () => {
    const targets = ranked([0, 1, 2]);
    const only =
      (id: string): Selector["pick"] =>
      (list) =>
        list.find((target) => target.id === id);
    const { selector } = tiered({ pick: only("t3"), maxInflight: 5 });
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t3");
    load(targets, 0, 0, 5);
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t3");
    expect(tiered({ pick: only("t4") }).selector.pick(targets, fakeExchange())).toBeUndefined();
  });

  test("hear of the attempts at their own targets, by whatever face, and of every change of the pool", () => {
    const targets = ranked([0, 1]);
    const { selector, told, pool } = tiered({ all: targets });
    const x = fakeExchange();
    for (const target of [...targets, viewTarget(targets[1] as Target, { model: "asked" })]) {
      selector.pick(Object.freeze([target]), x);
      selector.attemptStart?.(target, x);
      selector.attemptEnd?.(target, fakeOutcome(), x);
    }
    pool.change(targets);
    selector.update?.(pool.snapshot);
    expect(told).toEqual([
      ["update 1", "start t1", "end t1", "update 2"],
      ["update 1", "start t2", "end t2", "start t2", "end t2", "update 2"],
    ]);
  });

  test("are forgotten with the last target of their rank", () => {
    const { selector, told, pool } = tiered({});
    for (let round = 0; round < 100; round++) {
      pool.change(ranked([round]));
      selector.update?.(pool.snapshot);
      selector.pick(pool.snapshot.available, fakeExchange());
    }
    const before = told.flat().length;
    selector.update?.(pool.snapshot);
    expect(told.flat().length).toBe(before + 1);
  });
});

describe("explain", () => {
  test("puts the tier in use first, then those that stand by, then those that are full", () => {
    const targets = ranked([0, 1, 1, 2, 3, 2], (index) => ({
      weight: index === 5 ? 0 : 1,
      live: { inflight: index === 0 ? 4 : 0 },
    }));
    const { selector } = tiered({ maxInflight: 4 });
    expect(selector.explain?.(targets, fakeExchange())).toEqual([
      { id: "t1", score: -8, note: "rank 0, full; place 0" },
      { id: "t2", score: -5, note: "rank 1; place 0" },
      { id: "t3", score: -4, note: "rank 1; place 1" },
      { id: "t4", score: -6, note: "rank 2, stands by; place 0" },
      { id: "t5", score: -7, note: "rank 3, stands by; place 0" },
      { id: "t6", score: -9, note: "weight 0: passed over" },
    ]);
    expect(selector.pick(targets, fakeExchange())?.id).toBe("t2");
  });

  test("names the first as full when all are", () => {
    const targets = ranked([0, 1], () => ({ live: { inflight: 4 } }));
    const scores = tiered({ maxInflight: 4 }).selector.explain?.(targets, fakeExchange());
    expect(scores?.map(({ note }) => note)).toEqual(["rank 0, full; place 0", "rank 1, full; place 0"]);
  });

  test("tells two faces of one target apart", () => {
    const [one, other] = ranked([0, 1]) as unknown as readonly [Target, Target];
    const faces = [one, viewTarget(one, { model: "a" }), other];
    const scores = tiered({}).selector.explain?.(faces, fakeExchange());
    expect(scores?.map(({ score }) => score)).toEqual([-5, -4, -6]);
  });
});

interface Tiered {
  readonly selector: Selector;
  readonly pool: ReturnType<typeof fakePool>;
  /** The lists that inner selectors were given, in turn. */
  readonly given: (readonly Target[])[];
  /** What each inner selector was told. */
  readonly told: string[][];
}

/** Inner selectors pick the first unless told otherwise. */
function tiered(options: { maxInflight?: number; pick?: Selector["pick"]; all?: readonly Target[] }): Tiered {
  const { maxInflight = Infinity, pick = (targets) => targets[0], all = [] } = options;
  const pool = fakePool(all);
  const given: (readonly Target[])[] = [];
  const told: string[][] = [];
  const inner = (): Selector => {
    const heard: string[] = [];
    told.push(heard);
    return {
      pick(targets, x) {
        given.push(targets);
        return pick(targets, x);
      },
      update: ({ version }) => void heard.push(`update ${version}`),
      attemptStart: ({ id }) => void heard.push(`start ${id}`),
      attemptEnd: ({ id }) => void heard.push(`end ${id}`),
      explain: (targets) => targets.map(({ id }, place) => ({ id, score: place - 5, note: `place ${place}` })),
    };
  };
  const rankOf = ({ meta }: Target): number => Number(meta["rank"]);
  return {
    selector: createTiers(pool, { inner, maxInflight, rankOf, nameOf: (rank) => `rank ${rank}` }),
    pool,
    given,
    told,
  };
}

function ranked(
  ranks: readonly number[],
  fields: (index: number) => FakeTargetFields = () => ({}),
): readonly FakeTarget[] {
  return fakeTargets(ranks.length, (index) => ({ meta: { rank: ranks[index] }, ...fields(index) }));
}

function load(targets: readonly FakeTarget[], ...inflight: readonly number[]): void {
  for (const [index, count] of inflight.entries()) (targets[index] as FakeTarget).live.inflight = count;
}

function ids(targets: readonly Target[]): string[] {
  return targets.map(({ id }) => id);
}
