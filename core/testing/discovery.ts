import assert from "node:assert/strict";
import type { Discovery, DiscoverySink } from "../contract/services.ts";
import type { TargetSpec } from "../contract/target.ts";
import type { Plugin } from "../plugin.ts";
import { servicesOf, type Test } from "./plugin.ts";

export interface DiscoverySuite {
  readonly test: Test;
  /** A new plugin for each case. */
  readonly create: () => Plugin;
  /** The targets it knows after its start, in any order; fields that are left out may have any value. */
  readonly expected: readonly TargetSpec[];
  /** @default "default" */
  readonly pool?: string;
}

/** A sink that a test looks into. */
export interface FakeSink extends DiscoverySink {
  /** The targets as core would have them, by id. */
  readonly targets: ReadonlyMap<string, TargetSpec>;
  /** Calls so far, by name. */
  readonly calls: readonly string[];
  readonly errors: readonly unknown[];
}

/**
 * Tests the laws that hold for every discovery plugin.
 *
 * @example
 * testDiscovery({
 *   test,
 *   create: () => staticTargets({ targets: ["http://127.0.0.1:9"] }),
 *   expected: [{ url: "http://127.0.0.1:9" }],
 * });
 */
export function testDiscovery({ test, create, expected, pool = "default" }: DiscoverySuite): void {
  test(`fills the pool ${pool}`, async () => {
    assert.equal((await discoveryOf(create())).pool ?? "default", pool);
  });

  test("knows its targets when its start is over", async () => {
    await using(create(), async (discovery, signal) => {
      const sink = fakeSink();
      await discovery.start(sink, signal);
      assertTargets(sink, expected);
      assert.deepEqual(sink.errors, []);
    });
  });

  test("pushes targets that core can take", async () => {
    await using(create(), async (discovery, signal) => {
      const sink = fakeSink();
      await discovery.start(sink, signal);
      for (const { url, weight = 1 } of sink.targets.values()) {
        assert.ok(URL.canParse(url), `"${url}" is not a URL`);
        const { username, password, search, hash } = new URL(url);
        assert.equal(username + password + search + hash, "", `"${url}" has more than scheme, host, port and path`);
        assert.ok(Number.isFinite(weight) && weight >= 0, `"${url}" has the weight ${weight}`);
      }
    });
  });

  test("starts anew for each generation with the same targets", async () => {
    await using(create(), async (discovery, signal) => {
      const [first, second] = [fakeSink(), fakeSink()];
      await discovery.start(first, signal);
      await discovery.start(second, signal);
      assertTargets(first, expected);
      assertTargets(second, expected);
    });
  });

  test("two instances do not feed or stop each other", async () => {
    await using(create(), async (one, signal) => {
      const stop = new AbortController();
      const other = await discoveryOf(create());
      const [first, second] = [fakeSink(), fakeSink()];
      await other.start(second, stop.signal);
      stop.abort();
      const calls = second.calls.length;
      await one.start(first, signal);
      assertTargets(first, expected);
      assert.equal(second.calls.length, calls, "the start of one instance pushed into the sink of the other");
    });
  });

  test("pushes nothing more when its signal has aborted", async () => {
    const stop = new AbortController();
    const sink = fakeSink();
    const discovery = await discoveryOf(create());
    await discovery.start(sink, stop.signal);
    stop.abort();
    const calls = sink.calls.length;
    await turns(100);
    assert.deepEqual(sink.calls.slice(calls), []);
  });

  test("ends a start whose signal has aborted already", async () => {
    const discovery = await discoveryOf(create());
    const sink = fakeSink();
    // Whether it then resolves or rejects is its own affair; it must not go on.
    await Promise.resolve(discovery.start(sink, AbortSignal.abort())).catch(() => undefined);
    const calls = sink.calls.length;
    await turns(100);
    assert.deepEqual(sink.calls.slice(calls), []);
  });
}

/** Gives the discovery service that a plugin provides, not started. */
export async function discoveryOf(plugin: Plugin): Promise<Discovery> {
  const [service] = (await servicesOf("discovery", [plugin])).values();
  assert.ok(service, `plugin "${plugin.name}" provides no discovery`);
  return service;
}

/** Makes a sink that keeps what is pushed and freezes it: it is core's from then on. */
export function fakeSink(): FakeSink {
  const targets = new Map<string, TargetSpec>();
  const calls: string[] = [];
  const errors: unknown[] = [];
  const put = (spec: TargetSpec): void => void targets.set(spec.id ?? spec.url, Object.freeze(spec));
  return {
    targets,
    calls,
    errors,
    replace(specs) {
      calls.push("replace");
      targets.clear();
      for (const spec of specs) {
        assert.ok(!targets.has(spec.id ?? spec.url), `${spec.id ?? spec.url} is twice in one replace()`);
        put(spec);
      }
    },
    upsert(spec) {
      calls.push("upsert");
      put(spec);
    },
    remove(id) {
      calls.push("remove");
      targets.delete(id);
    },
    fail(error) {
      calls.push("fail");
      errors.push(error);
    },
  };
}

async function using(plugin: Plugin, run: (discovery: Discovery, signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  try {
    await run(await discoveryOf(plugin), stop.signal);
  } finally {
    stop.abort();
  }
}

function assertTargets({ targets }: FakeSink, expected: readonly TargetSpec[]): void {
  const ids = expected.map(({ id, url }) => id ?? url);
  assert.deepEqual([...targets.keys()].toSorted(), ids.toSorted());
  for (const spec of expected) {
    const pushed = targets.get(spec.id ?? spec.url);
    for (const [field, value] of Object.entries(spec)) {
      assert.deepEqual(pushed?.[field as keyof TargetSpec], value, `${spec.id ?? spec.url}: ${field}`);
    }
  }
}

/** Turns of the event loop: long enough for what was on its way, without a clock. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => void setImmediate(resolve));
}
