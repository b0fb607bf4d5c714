import assert from "node:assert/strict";
import type { Awaitable } from "../contract/services.ts";
import type { TargetSpec } from "../contract/target.ts";
import type { Plugin } from "../plugin.ts";
import { turns, withDiscovery } from "./discovery-rig.ts";
import { assertTargets, fakeSink } from "./discovery-sink.ts";
import { type DiscoverySource, testSource } from "./discovery-source.ts";
import type { Test } from "./plugin.ts";

export { discoveryOf } from "./discovery-rig.ts";
export { type FakeSink, fakeSink } from "./discovery-sink.ts";
export type { DiscoverySource } from "./discovery-source.ts";

export interface DiscoverySuite extends DiscoverySource {
  readonly test: Test;
  /** A new plugin for each case, and for a source that changes the source as it was in the beginning. */
  readonly create: () => Awaitable<Plugin>;
  /** The targets it knows after its start, in any order; fields that are left out may have any value. */
  readonly expected: readonly TargetSpec[];
  /** @default "default" */
  readonly pool?: string;
  /** Milliseconds that it may take to see that its source changed, failed or came back. @default 4000 */
  readonly patience?: number;
}

/**
 * Tests the laws that hold for every discovery plugin, and those of a source that changes and fails as far as the test
 * can make it do so.
 *
 * @example
 * testDiscovery({
 *   test,
 *   create: () => staticTargets({ targets: ["http://127.0.0.1:9"] }),
 *   expected: [{ url: "http://127.0.0.1:9" }],
 * });
 */
export function testDiscovery(suite: DiscoverySuite): void {
  const { test, create, expected, pool = "default", patience = 4_000, ...source } = suite;
  test(`fills the pool ${pool}`, () =>
    withDiscovery(create, (discovery) => assert.equal(discovery.pool ?? "default", pool)));

  test("knows its targets when its start is over", () =>
    withDiscovery(create, async (discovery, signal) => {
      const sink = fakeSink();
      await discovery.start(sink, signal);
      assertTargets(sink, expected);
      assert.deepEqual(sink.errors, []);
    }));

  test("pushes targets that core can take", () =>
    withDiscovery(create, async (discovery, signal) => {
      const sink = fakeSink();
      await discovery.start(sink, signal);
      sink.targets.forEach(assertTakable);
    }));

  test("starts anew for each generation with the same targets", () =>
    withDiscovery(create, async (discovery, signal) => {
      const [first, second] = [fakeSink(), fakeSink()];
      await discovery.start(first, signal);
      await discovery.start(second, signal);
      assertTargets(first, expected);
      assertTargets(second, expected);
    }));

  test("two instances do not feed or stop each other", () =>
    withDiscovery(create, (one, signal) =>
      withDiscovery(create, async (other) => {
        const stop = new AbortController();
        const [first, second] = [fakeSink(), fakeSink()];
        await other.start(second, stop.signal);
        stop.abort();
        const calls = second.calls.length;
        await one.start(first, signal);
        assertTargets(first, expected);
        assert.equal(second.calls.length, calls, "the start of one instance pushed into the sink of the other");
      }),
    ));

  test("pushes nothing more when its signal has aborted", () =>
    withDiscovery(create, async (discovery) => {
      const stop = new AbortController();
      const sink = fakeSink();
      await discovery.start(sink, stop.signal);
      stop.abort();
      const calls = sink.calls.length;
      await turns(100);
      assert.deepEqual(sink.calls.slice(calls), []);
    }));

  test("ends a start whose signal has aborted already", () =>
    withDiscovery(create, async (discovery) => {
      const sink = fakeSink();
      // Whether it then resolves or rejects is its own affair; it must not go on.
      await Promise.resolve(discovery.start(sink, AbortSignal.abort())).catch(() => undefined);
      const calls = sink.calls.length;
      await turns(100);
      assert.deepEqual(sink.calls.slice(calls), []);
    }));

  testSource({ test, create, expected, source, patience });
}

function assertTakable({ url, weight = 1 }: TargetSpec): void {
  assert.ok(URL.canParse(url), `"${url}" is not a URL`);
  const { username, password, search, hash } = new URL(url);
  assert.equal(username + password + search + hash, "", `"${url}" has more than scheme, host, port and path`);
  assert.ok(Number.isFinite(weight) && weight >= 0, `"${url}" has the weight ${weight}`);
}
