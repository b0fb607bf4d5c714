import assert from "node:assert/strict";
import type { Plugin } from "../plugin.ts";
import { type HealthRig, type HealthSettings, type RigSettings, withHealthRig } from "./health-rig.ts";
import type { Test } from "./plugin.ts";
import type { Answer, ProbedUpstream } from "./probed-upstream.ts";
import { until, within } from "./within.ts";

export type { HealthSettings } from "./health-rig.ts";

export interface HealthSuite {
  readonly test: Test;
  /** A new plugin for each case, set as the case needs it. */
  readonly create: (settings: HealthSettings) => Plugin;
}

type Law = (rig: HealthRig) => Promise<void>;
type Rigged = (name: string, settings: Partial<RigSettings>, law: Law) => void;

const quick: RigSettings = { interval: 10, timeout: 1_000, fall: 3, rise: 2 };

/** Answers that are no sign of health. */
const sick: readonly Answer[] = ["fail", "missing", "redirect", "garbage", "reset"];
/** Those that are none because they never end. */
const endless: readonly Answer[] = ["hang", "stuck", "drip"];

/** What a timer may be late by on a busy machine; one that ticks each half second is later than that. */
const lateness = 400;

/**
 * Tests the laws that hold for every plugin that probes its targets over HTTP.
 *
 * @example
 * testHealth({ test, create: (settings) => activeHealth(settings) });
 */
export function testHealth({ test, create }: HealthSuite): void {
  const rigged: Rigged = (name, settings, law) => {
    test(name, () => withHealthRig(create, { ...quick, ...settings }, law));
  };
  testRotation(rigged);
  testAnswers(rigged);
  testTargets(rigged);
  testEnd(rigged);

  const beside = (law: (one: HealthRig, other: HealthRig) => Promise<void>): Promise<void> =>
    withHealthRig(create, quick, (one) => withHealthRig(create, quick, (other) => law(one, other)));

  test("does not probe after the proxy has closed", () =>
    beside(async (clock, rig) => {
      const [tick, target] = [await clock.add("a"), await rig.add("a")];
      await Promise.all([clock.start(), rig.start()]);
      await rig.stop();
      await target.quiet();
      const { probes } = target;
      await tick.probed(tick.probes + 10);
      assert.equal(target.probes, probes);
    }));

  test("two instances share nothing", () =>
    beside(async (one, other) => {
      const well = await one.add("a");
      await one.start();
      await well.probed(5);
      await other.add("a", "fail");
      await other.start();
      assert.deepEqual([one.available(), other.available()], [["a"], []]);
    }));
}

function testRotation(rigged: Rigged): void {
  rigged("has the word of every target before the proxy is ready, and believes it", {}, async (rig) => {
    const [well, ill] = [await rig.add("well"), await rig.add("ill", "fail")];
    await rig.start();
    assert.ok(well.probes > 0 && ill.probes > 0, "a target was not probed before the proxy was ready");
    assert.deepEqual(rig.available(), ["well"]);
  });

  rigged("takes a target down after `fall` failures in a row, not sooner", { fall: 3 }, async (rig) => {
    const target = await rig.add("a", "ok", "fail", "fail", "ok", "fail", "fail", "fail");
    const seen = watch(rig, target);
    await rig.start();
    await target.probed(8);
    assert.deepEqual(seen.slice(1, 8), [true, true, true, true, true, true, false]);
  });

  rigged("brings a target back after `rise` passes in a row, not sooner", { rise: 2 }, async (rig) => {
    const target = await rig.add("a", "fail", "ok", "fail", "ok", "ok");
    const seen = watch(rig, target);
    await rig.start();
    await target.probed(6);
    assert.deepEqual(seen.slice(1, 6), [false, false, false, false, true]);
  });
}

function testAnswers(rigged: Rigged): void {
  for (const answer of sick) {
    rigged(`takes a target down that answers: ${answer}`, { fall: 1 }, async (rig) => {
      const target = await rig.add("a", "ok", answer);
      await rig.start();
      await rig.turned("a", false);
      assert.equal(target.strays, 0, "a redirect was followed");
    });
  }

  for (const answer of endless) {
    rigged(`takes a target down that answers: ${answer}`, { fall: 1, timeout: 500 }, async (rig) => {
      const target = await rig.add("a", "ok", answer);
      await rig.start();
      await target.probed(2);
      const probedAt = performance.now();
      await rig.turned("a", false);
      const elapsed = performance.now() - probedAt;
      assert.ok(elapsed < 500 + lateness, `down only after ${elapsed} ms with a timeout of 500`);
    });
  }

  rigged("takes a target down that refuses connections", { fall: 1 }, async (rig) => {
    const target = await rig.add("a");
    await rig.start();
    await target.close();
    await rig.turned("a", false);
  });

  rigged("leaves a body without end soon", { timeout: 60_000 }, async (rig) => {
    const target = await rig.add("a", "ok", "endless", "ok");
    await rig.start();
    // What the sockets of both sides hold counts as taken, as the sender sees it.
    const much = 16 * 1_048_576;
    await until(() => target.probes >= 3 || target.taken > much, "the end of the second probe");
    assert.ok(target.taken <= much, `${target.taken} bytes of a body were read`);
  });
}

function testTargets(rigged: Rigged): void {
  rigged("probes its targets at the same time", { timeout: 10_000 }, async (rig) => {
    const targets = [await rig.add("a", "hang"), await rig.add("b", "hang"), await rig.add("c", "hang")];
    const started = rig.start();
    await Promise.all(targets.map((target) => target.probed(1)));
    for (const target of targets) await target.close();
    await within(started, "the start");
  });

  rigged("does not let a target that hangs hold back the others", { timeout: 10_000 }, async (rig) => {
    const [hanging, well] = [await rig.add("hanging", "ok", "hang"), await rig.add("well")];
    await rig.start();
    await hanging.probed(2);
    await well.probed(well.probes + 5);
    assert.deepEqual(rig.available(), ["hanging", "well"]);
  });

  rigged("probes a target that is discovered later at once", { interval: 60_000 }, async (rig) => {
    await rig.add("a");
    await rig.start();
    const late = await rig.add("late", "fail");
    await late.probed(1);
    await rig.turned("late", false);
    assert.deepEqual(rig.available(), ["a"]);
  });

  rigged("forgets a target that has left", {}, async (rig) => {
    const [stays, leaves] = [await rig.add("stays"), await rig.add("leaves")];
    await rig.start();
    rig.remove("leaves");
    await stays.probed(stays.probes + 2);
    const { probes } = leaves;
    await stays.probed(stays.probes + 5);
    assert.equal(leaves.probes, probes);
  });
}

function testEnd(rigged: Rigged): void {
  rigged("ends a probe that is under way when the proxy closes", { timeout: 60_000 }, async (rig) => {
    const target = await rig.add("a", "ok", "hang");
    await rig.start();
    await target.probed(2);
    await within(rig.stop(), "the end of the proxy");
    await target.quiet();
  });

  rigged("ends the probes of a config that a reload has replaced", {}, async (rig) => {
    const target = await rig.add("a");
    await rig.start();
    await rig.reload("/other");
    const { probes, strays } = target;
    await until(() => target.strays >= strays + 10, "10 probes by the new config");
    assert.ok(target.probes <= probes + 1, `${target.probes - probes} probes by the old config`);
  });
}

/** Whether the target was available as each of its probes arrived. */
function watch(rig: HealthRig, target: ProbedUpstream): boolean[] {
  const seen: boolean[] = [];
  target.onProbe(() => seen.push(rig.available().length > 0));
  return seen;
}
