import { type RouteOptions, type Selector, type Target, viewTarget } from "plugboard";
import { fakeExchange } from "plugboard/testing";
import { describe, expect, test, vi } from "vitest";
import { PoolRoute, routeDefaults } from "../../../core/generation/routes.ts";
import { turns } from "../../../core/generation/turns.ts";
import { Ledger } from "../../../core/targets/ledger.ts";
import { TargetPool } from "../../../core/targets/pool.ts";

interface Rig {
  readonly pool: TargetPool;
  readonly ledger: Ledger;
  /** The targets are these, from the next flush on. */
  replace(...ids: string[]): void;
  route(options?: Partial<RouteOptions>, selector?: Partial<Selector>): PoolRoute;
}

/** A pool with targets of these ids. */
function rig(...ids: string[]): Rig {
  const ledger = new Ledger();
  const pool = new TargetPool("default", ledger, { health: () => {}, source: () => {} });
  const sink = pool.sink("test");
  const replace = (...all: string[]): void => sink.replace(all.map((id) => ({ id, url: `http://${id}` })));
  replace(...ids);
  pool.flush();
  return {
    pool,
    ledger,
    replace,
    route(options = {}, selector = {}) {
      const route = new PoolRoute({ name: "r", ...options }, pool, routeDefaults(undefined, undefined));
      route.link({ create: () => ({ pick: ([first]) => first, ...selector }) }, "test");
      return route;
    },
  };
}

const idsOf = (targets: readonly Target[]): string[] => targets.map(({ id }) => id);

describe("the candidates of a route", () => {
  test("are the available targets of its pool", () => {
    const { route, ledger, pool } = rig("a", "b", "c");
    ledger.down("b", "test", "broken");
    pool.flush();
    expect(idsOf(route().candidates())).toEqual(["a", "c"]);
  });

  test("are one frozen array until the pool changes", () => {
    const narrow = vi.fn<(targets: readonly Target[]) => readonly Target[]>((targets) => targets.slice(1));
    const { route, replace, pool } = rig("a", "b");
    const narrowed = route({ candidates: narrow });
    const before = narrowed.candidates();
    expect(Object.isFrozen(before)).toBe(true);
    expect(narrowed.candidates()).toBe(before);
    expect(narrow).toHaveBeenCalledTimes(1);
    replace("a", "b", "c");
    expect(narrowed.candidates()).toBe(before);
    pool.flush();
    expect(idsOf(narrowed.candidates())).toEqual(["b", "c"]);
    expect(narrow).toHaveBeenCalledTimes(2);
  });

  test("that a plugin keeps are not frozen under its hands", () => {
    const { route, pool } = rig("a");
    const own = [...pool.snapshot.available];
    route({ candidates: () => own }).candidates();
    expect(Object.isFrozen(own)).toBe(false);
  });

  test("may be views with another weight and the same identity, counters and connections", () => {
    const { route } = rig("a", "b");
    const views = route({ candidates: (all) => all.map((target) => viewTarget(target, { weight: 7 })) });
    const [first] = views.candidates();
    const [original] = views.pool.snapshot.all;
    expect(first).toMatchObject({ id: "a", weight: 7 });
    expect(first?.live).toBe(original?.live);
    expect(first).not.toBe(original);
    expect(original?.weight).toBe(1);
  });

  test("without weight are left out while another has one", () => {
    const { route } = rig("a", "b");
    const weights = (a: number, b: number) => (all: readonly Target[]) =>
      all.map((target) => viewTarget(target, { weight: target.id === "a" ? a : b }));
    expect(idsOf(route({ candidates: weights(0, 1) }).candidates())).toEqual(["b"]);
    expect(idsOf(route({ candidates: weights(0, 0) }).candidates())).toEqual(["a", "b"]);
  });

  test("that cannot be worked out are no reason to go on with targets that are gone", () => {
    const { route, replace, pool } = rig("a", "b");
    const throwing = route({
      candidates(targets) {
        if (targets.length < 2) throw new Error("two or none");
        return targets;
      },
    });
    expect(idsOf(throwing.candidates())).toEqual(["a", "b"]);
    replace("b");
    pool.flush();
    expect(() => throwing.candidates()).toThrow("two or none");
    expect(() => throwing.candidates()).toThrow("two or none");
  });
});

test("what a route could use were it available is asked of all targets", () => {
  const { route, ledger, pool } = rig("a", "b", "c");
  ledger.down("b", "test", "broken");
  pool.flush();
  expect(idsOf(route().possible())).toEqual(["a", "b", "c"]);
  expect(idsOf(route({ candidates: (all) => all.filter(({ id }) => id !== "a") }).possible())).toEqual(["b", "c"]);
});

test("the selector is told of a new snapshot once, before it picks from it", () => {
  const update = vi.fn<NonNullable<Selector["update"]>>();
  const { route, replace, pool } = rig("a");
  const updated = route({}, { update });
  updated.candidates();
  updated.candidates();
  expect(update).toHaveBeenCalledExactlyOnceWith(pool.snapshot);
  replace("a", "b");
  pool.flush();
  updated.candidates();
  expect(update).toHaveBeenCalledTimes(2);
});

describe("retry and timeouts", () => {
  const { pool } = rig("a");
  const made = (options: Partial<RouteOptions>, defaults = routeDefaults(undefined, undefined)): PoolRoute =>
    new PoolRoute({ name: "r", ...options }, pool, defaults);

  test("are the documented ones when nobody says otherwise", () => {
    const { retry, timeouts } = made({});
    expect(retry).toEqual({
      attempts: 3,
      on: new Set(["connect", "reset"]),
      statuses: new Set(),
      nonIdempotent: false,
    });
    expect(timeouts).toEqual({ connect: 3_000, headers: 300_000, idle: 300_000, total: 0 });
  });

  test("of the route go before the config's, member by member", () => {
    const defaults = routeDefaults({ attempts: 5, statuses: [503] }, { connect: 1, idle: 2 });
    const { retry, timeouts } = made({ retry: { on: ["timeout"] }, timeouts: { idle: 9 } }, defaults);
    expect(retry).toEqual({
      attempts: 5,
      on: new Set(["timeout"]),
      statuses: new Set([503]),
      nonIdempotent: false,
    });
    expect(timeouts).toEqual({ connect: 1, headers: 300_000, idle: 9, total: 0 });
  });
});

test("without a selector in the config the targets take turns", () => {
  const { pool } = rig("a", "b", "c");
  const selector = turns.create(pool, "r");
  const picks = Array.from({ length: 5 }, () => selector.pick(pool.snapshot.available, fakeExchange())?.id);
  expect(picks).toEqual(["a", "b", "c", "a", "b"]);
});
