import assert from "node:assert/strict";
import type { Awaitable, Discovery } from "../contract/services.ts";
import type { TargetSpec } from "../contract/target.ts";
import type { Plugin } from "../plugin.ts";
import { assertNoMoreHandles, openHandles } from "./handles.ts";
import { turns, withDiscovery } from "./discovery-rig.ts";
import { assertTargets, type FakeSink, fakeSink, type SinkWaits, sinkWaits } from "./discovery-sink.ts";
import type { Test } from "./plugin.ts";
import { within } from "./within.ts";

/**
 * What a test can do to the source of a discovery: to that of the newest `create()`, which begins with the targets that
 * are expected. A law that needs what is missing is left out.
 */
export interface DiscoverySource {
  /** Makes it say something else, and tells what. */
  readonly change?: () => Awaitable<{ readonly expected: readonly TargetSpec[] }>;
  /** Makes it say, with authority, that there are no targets. */
  readonly empty?: () => Awaitable<void>;
  /** Takes it away, in whatever way it can fail. */
  readonly breakSource?: () => Awaitable<void>;
  /** Brings it back as it was. */
  readonly mend?: () => Awaitable<void>;
  /** Resolves when the discovery has asked again a source that did not change. */
  readonly asked?: () => Awaitable<void>;
}

export interface SourceSuite {
  readonly test: Test;
  readonly create: () => Awaitable<Plugin>;
  readonly expected: readonly TargetSpec[];
  readonly source: DiscoverySource;
  readonly patience: number;
}

interface Laws extends SourceSuite, SinkWaits {
  /** Starts a discovery on a new source, and runs the law when it knows its targets. */
  started(law: (sink: FakeSink, discovery: Discovery) => Promise<void>): Promise<void>;
  start(discovery: Discovery, sink: FakeSink, signal: AbortSignal): Promise<void>;
}

/** Tests the laws of a source that changes and fails. */
export function testSource(suite: SourceSuite): void {
  const { create, expected, patience } = suite;
  const waits = sinkWaits(patience);
  const laws: Laws = {
    ...suite,
    ...waits,
    start: (discovery, sink, signal) => within(startOf(discovery, sink, signal), "the end of the start", patience),
    started: (law) =>
      withDiscovery(create, async (discovery, signal) => {
        const sink = fakeSink();
        await laws.start(discovery, sink, signal);
        await waits.follows(sink, expected, "the first targets");
        await law(sink, discovery);
      }),
  };
  testChange(laws);
  testOutage(laws);
  testReturn(laws);
}

async function startOf(discovery: Discovery, sink: FakeSink, signal: AbortSignal): Promise<void> {
  await discovery.start(sink, signal);
}

function testChange({ test, create, source, started, start, follows }: Laws): void {
  const { change, empty, asked } = source;

  if (asked !== undefined) {
    test("pushes no change when its source says the same again", () =>
      started(async (sink) => {
        const before = JSON.stringify([...sink.targets]);
        const calls = sink.calls.length;
        await asked();
        assert.equal(JSON.stringify([...sink.targets]), before);
        assert.deepEqual(sink.errors, []);
        assert.ok(!sink.calls.slice(calls).includes("remove"), "a target was removed and came back");
      }));
  }

  if (empty !== undefined) {
    test("has no targets when its source says that there are none", () =>
      started(async (sink) => {
        await empty();
        await follows(sink, [], "no targets");
        assert.deepEqual(sink.errors, []);
      }));
  }

  if (change === undefined) return;

  test("follows its source when that changes", () =>
    started(async (sink) => {
      const { expected } = await change();
      await follows(sink, expected, "the targets of the changed source");
      assert.deepEqual(sink.errors, []);
    }));

  test("begins with what its source says at the start, not at the setup", () =>
    withDiscovery(create, async (discovery, signal) => {
      const { expected } = await change();
      const sink = fakeSink();
      await start(discovery, sink, signal);
      await follows(sink, expected, "the targets of the changed source");
    }));

  test("follows for the generation that runs, and no longer for the one that is over", () =>
    started(async (running, discovery) => {
      const over = new AbortController();
      const sink = fakeSink();
      await start(discovery, sink, over.signal);
      over.abort();
      const calls = sink.calls.length;
      const { expected } = await change();
      await follows(running, expected, "the targets of the changed source");
      await turns(100);
      assert.deepEqual(sink.calls.slice(calls), []);
    }));
}

function testOutage({ test, create, expected, source, started, fails, ...laws }: Laws): void {
  const { breakSource } = source;
  if (breakSource === undefined) return;

  test("keeps what it knows when its source is away, and tells of it", () =>
    started(async (sink) => {
      await breakSource();
      await fails(sink);
      await turns(100);
      assertTargets(sink, expected);
    }));

  test("ends a start that waits for a source that is away when its signal aborts", () =>
    withDiscovery(create, async (discovery) => {
      await breakSource();
      const stop = new AbortController();
      const sink = fakeSink();
      // Whether it then resolves or rejects is its own affair.
      const start = startOf(discovery, sink, stop.signal).catch(() => undefined);
      await turns(1);
      stop.abort();
      const calls = sink.calls.length;
      await within(start, "the end of the start", laws.patience);
      await turns(100);
      assert.deepEqual(sink.calls.slice(calls), []);
    }));

  test("leaves nothing open when it ends while its source is away", async () => {
    const before = await openHandles();
    // More than once: a handle of the runner that closes meanwhile would make up for one that is left.
    for (let round = 0; round < 4; round++) {
      await started(async (sink) => {
        await breakSource();
        await fails(sink);
      });
      await source.mend?.();
    }
    await assertNoMoreHandles(before);
  });
}

function testReturn({ test, create, expected, source, started, fails, isWell, follows, ...laws }: Laws): void {
  const { breakSource, mend, change } = source;
  if (breakSource === undefined || mend === undefined) return;

  test("is well again when its source is back", () =>
    started(async (sink) => {
      await breakSource();
      await fails(sink);
      await mend();
      await isWell(sink);
      assertTargets(sink, expected);
    }));

  test("refuses a start without its source, or comes to its targets when that is back", () =>
    withDiscovery(create, async (discovery, signal) => {
      await breakSource();
      const sink = fakeSink();
      const start = startOf(discovery, sink, signal).then(
        () => false,
        () => true,
      );
      const refused = await within(start, "the end of the start", laws.patience);
      if (refused) return assert.deepEqual([...sink.targets], []);
      assert.notDeepEqual(sink.errors, [], "the start did not tell that the source is away");
      await mend();
      await isWell(sink);
      await follows(sink, expected, "the targets of the source that is back");
    }));

  if (change === undefined) return;

  test("follows changes again when its source was away", () =>
    started(async (sink) => {
      await breakSource();
      await fails(sink);
      await mend();
      await isWell(sink);
      await follows(sink, (await change()).expected, "the targets of the changed source");
    }));
}
