import assert from "node:assert/strict";
import type { DiscoverySink } from "../contract/services.ts";
import type { TargetSpec } from "../contract/target.ts";
import { until } from "./within.ts";

/** A sink that a test looks into. */
export interface FakeSink extends DiscoverySink {
  /** The targets as core would have them, by id. */
  readonly targets: ReadonlyMap<string, TargetSpec>;
  /** Calls so far, by name. */
  readonly calls: readonly string[];
  readonly errors: readonly unknown[];
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

/** Fields that are left out of what is expected may have any value. */
export function assertTargets({ targets }: FakeSink, expected: readonly TargetSpec[]): void {
  const ids = expected.map(({ id, url }) => id ?? url);
  assert.deepEqual([...targets.keys()].toSorted(), ids.toSorted());
  for (const spec of expected) {
    const pushed = targets.get(spec.id ?? spec.url);
    for (const [field, value] of Object.entries(spec)) {
      assert.deepEqual(pushed?.[field as keyof TargetSpec], value, `${spec.id ?? spec.url}: ${field}`);
    }
  }
}

/** Waits for what a discovery does by itself, and says what it did instead. */
export interface SinkWaits {
  /** For a sink to have these targets. */
  follows(sink: FakeSink, expected: readonly TargetSpec[], what: string): Promise<void>;
  /** For a first word of failure. */
  fails(sink: FakeSink): Promise<void>;
  /** For targets that are pushed after the last failure: core takes that for the end of it. */
  isWell(sink: FakeSink): Promise<void>;
}

export function sinkWaits(patience: number): SinkWaits {
  return {
    follows: (sink, expected, what) =>
      until(() => hasTargets(sink, expected), what, patience).catch((error: unknown) => {
        assertTargets(sink, expected);
        throw error;
      }),
    fails: ({ errors }) => until(() => errors.length > 0, "the sink is told that the source is away", patience),
    isWell: ({ calls }) => {
      const last = (call: string): number => calls.lastIndexOf(call);
      const well = (): boolean => Math.max(last("replace"), last("upsert")) > last("fail");
      return until(well, "targets are pushed once the source is back", patience);
    },
  };
}

function hasTargets(sink: FakeSink, expected: readonly TargetSpec[]): boolean {
  try {
    assertTargets(sink, expected);
    return true;
  } catch {
    return false; // not yet
  }
}
