import { createConsola } from "consola";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  createProxy,
  defineSelector,
  definePlugin,
  type DiscoverySink,
  type Plugin,
  type Pool,
  type Proxy,
  type Reporter,
  type Target,
  type TargetSpec,
} from "plugboard";
import { type SlowStartOptions, slowStart } from "../../../plugins/health/slow-start.ts";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { testPlugin } from "plugboard/testing";
import { eventually } from "../../e2e/eventually.ts";
import { upstream } from "./started.ts";

testPlugin({
  test,
  create: () => slowStart({ over: 30_000, from: 0.05 }),
  badOptions: [
    { options: { over: 0 }, says: "over: Expected 1 or more" },
    { options: { over: 1.5 }, says: "over: Expected a whole number" },
    { options: { from: 0 }, says: "from: Expected more than 0, up to 1" },
    { options: { from: 1.1 }, says: "from: Expected more than 0, up to 1" },
    { options: { now: 5 }, says: "now: Expected a function" },
    { options: { for: 5 }, says: "for" },
  ],
});

interface Rig {
  readonly proxy: Proxy;
  /** Of the simulated clock. */
  readonly clock: { time: number };
  readonly reporter: Reporter;
  readonly sink: DiscoverySink;
  pool(): Pool;
  /** Settles when a target is up, or down, or gone. */
  turned(id: string, up: boolean): Promise<void>;
  /** Takes a target down and brings it back. */
  bounce(id: string): Promise<void>;
  /** Of a thousand requests, those that each target is the first to be asked for. */
  shares(draws?: number): Promise<Readonly<Record<string, number>>>;
}

const quiet = createConsola({ level: -999 });

async function rig(
  specs: readonly TargetSpec[],
  options: Omit<SlowStartOptions, "now"> = {},
  ...others: readonly Plugin[]
): Promise<Rig> {
  const clock = { time: 1_000 };
  let sink: DiscoverySink | undefined;
  let pool: Pool | undefined;
  let reporter: Reporter | undefined;
  const plugin = definePlugin({
    name: "rig",
    setup(proxy) {
      if (proxy.mode !== "serve") return;
      pool = proxy.pool();
      reporter = proxy.reporter("rig");
      proxy.provide("discovery", "rig", {
        start(started) {
          sink = started;
          sink.replace(specs);
        },
      });
    },
  });
  const plugins = [plugin(), slowStart({ ...options, now: () => clock.time }), ...others];
  const proxy = await createProxy({ plugins }, { log: quiet });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const turned = async (id: string, up: boolean): Promise<void> => {
    const isUp = (): boolean => pool?.snapshot.available.some((target) => target.id === id) === true;
    if (isUp() === up) return;
    await new Promise<void>((resolve) => pool?.onChange(() => isUp() === up && resolve()));
    // Of health the plugins hear behind the listeners of the pool.
    await new Promise((resolve) => void setImmediate(resolve));
  };
  return {
    proxy,
    clock,
    get reporter() {
      return reporter as Reporter;
    },
    get sink() {
      return sink as DiscoverySink;
    },
    pool: () => pool as Pool,
    turned,
    async bounce(id) {
      reporter?.down(id, "a test says so");
      await turned(id, false);
      reporter?.up(id);
      await turned(id, true);
    },
    async shares(draws = 1_000) {
      const { distribution } = await proxy.explain({ draws, seed: 7 });
      return distribution ?? {};
    },
  };
}

const three = ["a", "b", "c"].map((id, i) => ({ id, url: `http://127.0.0.1:${i + 1}` }));
const two = three.slice(0, 2);

/** About so many. */
const about = (count: number): { asymmetricMatch(value: unknown): boolean } =>
  expect.closeTo(count, -1.8) as { asymmetricMatch(value: unknown): boolean };

describe("the share of a target", () => {
  test("is whole at the start of the proxy", async () => {
    const { shares } = await rig(two);
    expect(await shares()).toEqual({ a: 500, b: 500 });
  });

  test("grows over the time when it came back, from the first part to all of it", async () => {
    const { clock, bounce, shares } = await rig(two, { over: 10_000, from: 0.1 });
    await bounce("b");
    const seen: number[] = [];
    for (const elapsed of [0, 2_500, 5_000, 7_500, 10_000]) {
      clock.time = 1_000 + elapsed;
      seen.push((await shares())["b"] ?? 0);
    }
    // Half of the turns would be its own.
    expect(seen).toEqual([about(50), about(162), about(275), about(387), 500]);
  });

  test("grows when it is new", async () => {
    const { clock, sink, turned, shares } = await rig(two, { from: 0.2 });
    sink.upsert({ id: "c", url: "http://127.0.0.1:3" });
    await turned("c", true);
    const { c = 0 } = await shares();
    expect(c).toBeGreaterThan(30);
    expect(c).toBeLessThan(110);
    clock.time += 10_000;
    expect(await shares()).toEqual({ a: 334, b: 333, c: 333 });
  });

  test("begins anew with each return", async () => {
    const { clock, bounce, shares } = await rig(two, { from: 0.1 });
    await bounce("b");
    clock.time += 9_000;
    await bounce("b");
    expect((await shares())["b"]).toEqual(about(50));
  });

  test("holds for a selector by load", async () => {
    const { bounce, shares } = await rig(two, { from: 0.1 }, leastConnections());
    await bounce("b");
    expect((await shares())["b"]).toBeLessThan(110);
  });

  test("is whole when all of them warm up together", async () => {
    const { bounce, shares } = await rig(two, { from: 0.1 });
    await bounce("a");
    await bounce("b");
    expect(await shares()).toEqual({ a: 500, b: 500 });
  });

  test("is measured by the warmest when none is warm", async () => {
    const { clock, bounce, shares } = await rig(two, { over: 10_000, from: 0.1 });
    await bounce("a");
    clock.time += 1_000;
    await bounce("b");
    // 0.19 and 0.1: the second takes part in a little more than half of the turns.
    expect((await shares())["b"]).toEqual(about(263));
  });

  test("outlives a reload", async () => {
    const { proxy, bounce, shares } = await rig(two, { from: 0.1 });
    await bounce("b");
    await proxy.reload();
    expect((await shares())["b"]).toEqual(about(50));
  });

  test("does not begin anew with a reload", async () => {
    const { proxy, shares } = await rig(two);
    await proxy.reload();
    expect(await shares()).toEqual({ a: 500, b: 500 });
  });

  test("grows when a reload brings the target", async () => {
    const { clock, proxy, turned, sink, shares } = await rig(two, { from: 0.1 });
    sink.remove("b");
    await turned("b", false);
    await proxy.reload();
    expect((await shares())["b"]).toEqual(about(50));
    clock.time += 10_000;
    expect(await shares()).toEqual({ a: 500, b: 500 });
  });
});

describe("a request", () => {
  /** Keeps the lists it was given, and takes their last target. */
  function recording(lists: (readonly Target[])[]): Plugin {
    return defineSelector({
      name: "recording",
      pick(targets) {
        lists.push(targets);
        return targets.at(-1);
      },
    })();
  }

  async function send(proxy: Proxy): Promise<number> {
    const response = await proxy.fetch(new Request("http://proxy/"));
    await response.arrayBuffer();
    return response.status;
  }

  test("is given the same list as long as nothing warms up", async () => {
    const { url } = await upstream();
    const lists: (readonly Target[])[] = [];
    const specs = two.map(({ id }) => ({ id, url }));
    const { clock, proxy, bounce, pool } = await rig(specs, {}, recording(lists));
    await send(proxy);
    await bounce("b");
    clock.time += 10_000;
    for (let i = 0; i < 3; i++) await send(proxy);
    expect(new Set(lists.slice(1)).size).toBe(1);
    expect(lists.every((list) => list.length === pool().snapshot.available.length)).toBe(true);
  });

  test("is given one of few lists while targets warm up, so that selectors can keep what they derive", async () => {
    const { url } = await upstream();
    const lists: (readonly Target[])[] = [];
    const specs = three.map(({ id }) => ({ id, url }));
    const { proxy, bounce } = await rig(specs, { from: 0.5 }, recording(lists));
    await bounce("b");
    await bounce("c");
    for (let i = 0; i < 60; i++) await send(proxy);
    expect(new Set(lists).size).toBe(4);
    expect(lists.every((list) => Object.isFrozen(list))).toBe(true);
    expect(lists.every((list) => list.some(({ id }) => id === "a"))).toBe(true);
  });

  test("goes to a target that warms up when the others fail", async () => {
    const { url } = await upstream();
    const specs = [
      { id: "a", url: "http://127.0.0.1:1" },
      { id: "b", url },
    ];
    const { proxy, bounce } = await rig(specs, { from: 0.000_001 });
    await bounce("b");
    for (let i = 0; i < 5; i++) expect(await send(proxy)).toBe(200);
  });

  test("goes to a target that warms up when the others have no room", async () => {
    let release = (): void => undefined;
    const busy = await upstream((_request, response) => void (release = () => void response.end()));
    const { url, requests } = await upstream();
    const specs = [
      { id: "a", url: busy.url, maxConcurrency: 1 },
      { id: "b", url },
    ];
    const { proxy, pool, bounce } = await rig(specs, { from: 0.000_001 });
    await bounce("b");
    const first = send(proxy);
    await eventually(() => expect(busy.requests.length).toBe(1));
    expect(await send(proxy)).toBe(200);
    expect(requests).toHaveLength(1);
    release();
    await first;
    expect(pool().snapshot.available).toHaveLength(2);
  });

  test("draws once for a target, however often the candidates are asked for", async () => {
    const lists: (readonly Target[])[] = [];
    const { url } = await upstream();
    const specs = two.map(({ id }) => ({ id, url }));
    const choosy = defineSelector({
      name: "choosy",
      pick: (targets) => (lists.push(targets) % 4 === 0 ? targets[0] : undefined),
    });
    const again = definePlugin({
      name: "again",
      setup: () => ({ recover: { before: ["slow-start"], handler: () => "retry" as const } }),
    });
    const { proxy, bounce } = await rig(specs, { from: 0.5 }, choosy(), again());
    await bounce("b");
    for (let i = 0; i < 20; i++) {
      lists.length = 0;
      await send(proxy);
      expect([lists.length, new Set(lists).size]).toEqual([4, 1]);
    }
  });
});
