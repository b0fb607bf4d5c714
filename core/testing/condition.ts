import assert from "node:assert/strict";
import type { Awaitable, Condition } from "../contract/services.ts";
import { definePlugin, type Plugin } from "../plugin.ts";
import { turns } from "./discovery-rig.ts";
import { assertNoMoreHandles, openHandles } from "./handles.ts";
import { servicesOf, type Test } from "./plugin.ts";
import { createQuietProxy } from "./quiet-proxy.ts";
import { until } from "./within.ts";

export interface ConditionSuite {
  readonly test: Test;
  /** A new plugin for each case, and what it looks at as it was in the beginning. */
  readonly create: () => Awaitable<Plugin>;
  /** What else its config has to hold, such as a plugin that fills its pool; called after `create`, once per proxy. */
  readonly others?: () => readonly Plugin[];
  /** Makes that of the newest `create()` hold, or no longer. */
  readonly turn: (holds: boolean) => Awaitable<void>;
  /** Whether it holds in the beginning. @default false */
  readonly holding?: boolean;
  /** Milliseconds that it may take to see a change. @default 4000 */
  readonly patience?: number;
}

/** A running proxy with the condition in it. */
interface Rig {
  /** Of the generation that runs. */
  condition(): Condition;
  /** Resolves when the condition has seen it. */
  turn(holds: boolean): Promise<void>;
  reload(): Promise<void>;
  close(): Promise<void>;
  /** What `holds` said at each call back, from now on; undefined: it tells of no changes. */
  heard(): boolean[] | undefined;
}

type Rigged = (name: string, law: (rig: Rig, suite: Required<ConditionSuite>) => Awaitable<void>) => void;

/** Gives the condition that a plugin provides; nothing is started. */
export async function conditionOf(plugin: Plugin, others: readonly Plugin[] = []): Promise<Condition> {
  const found = [...(await servicesOf("condition", [plugin, ...others])).values()];
  const [condition] = found;
  assert.ok(condition, `plugin "${plugin.name}" provides no condition`);
  assert.equal(found.length, 1, `plugin "${plugin.name}" provides more than one condition`);
  return condition;
}

/**
 * Tests the laws that hold for every plugin that provides a condition.
 *
 * @example
 * testCondition({
 *   test,
 *   create: () => fileExists({ path }),
 *   turn: (holds) => (holds ? writeFile(path, "") : rm(path, { force: true })),
 * });
 */
export function testCondition(given: ConditionSuite): void {
  const suite: Required<ConditionSuite> = { others: () => [], holding: false, patience: 4_000, ...given };
  const { test, create, others } = suite;
  const rigged: Rigged = (name, law) => test(name, () => withRig(suite, (rig) => law(rig, suite)));

  test("provides one condition, and answers before anything is started", async () => {
    const condition = await conditionOf(await create(), others());
    assert.equal(typeof condition.holds(), "boolean");
  });

  testAnswers(rigged);
  testChanges(rigged);
  testEnd(rigged);

  test("goes on when another instance is closed", () =>
    withRig(suite, (one) =>
      withRig(suite, async (other) => {
        await one.close();
        const heard = other.heard();
        await other.turn(!suite.holding);
        if (heard !== undefined) await until(() => heard.length > 0, "a call back", suite.patience);
      }),
    ));

  test("leaves nothing open", async () => {
    const before = await openHandles();
    // More than once: a handle of the runner that closes meanwhile would make up for one that is left.
    for (let round = 0; round < 4; round++) {
      await withRig(suite, async (rig) => {
        rig.heard();
        await rig.turn(!suite.holding);
      });
    }
    await assertNoMoreHandles(before);
  });
}

function testAnswers(rigged: Rigged): void {
  rigged("says at once whether it holds, with true or false", (rig, { holding }) => {
    assert.equal(rig.condition().holds(), holding);
  });

  rigged("sees each change", async (rig, { holding }) => {
    for (let round = 0; round < 3; round++) {
      await rig.turn(!holding);
      await rig.turn(holding);
    }
  });

  rigged("says the same however often it is asked, and asking changes nothing", async (rig) => {
    for (const holds of [true, false]) {
      await rig.turn(holds);
      await turns(10);
      const heard = rig.heard();
      for (let asked = 0; asked < 100; asked++) assert.equal(rig.condition().holds(), holds);
      await turns(10);
      assert.deepEqual(heard ?? [], [], "it called back because it was asked");
    }
  });

  rigged("says why it does not hold, in one line", async (rig) => {
    await rig.turn(false);
    const condition = rig.condition();
    if (condition.why === undefined) return;
    assert.match(condition.why(), /^\S.*\S$/);
    assert.equal(condition.holds(), false);
  });

  rigged("knows in a new generation at once what holds", async (rig) => {
    for (const holds of [true, false, true]) {
      await rig.turn(holds);
      await rig.reload();
      assert.equal(rig.condition().holds(), holds);
    }
  });
}

function testChanges(rigged: Rigged): void {
  rigged("calls back when the answer is another one, each who asked for it", async (rig, { holding, patience }) => {
    const all = [rig.heard(), rig.heard()];
    for (const holds of [!holding, holding, !holding]) {
      for (const heard of all) heard?.splice(0);
      await rig.turn(holds);
      for (const heard of all) {
        if (heard !== undefined) await until(() => heard.at(-1) === holds, `a call back that it is ${holds}`, patience);
      }
    }
  });
}

function testEnd(rigged: Rigged): void {
  rigged("calls back for the generation that runs, and no longer for one that is over", async (rig, suite) => {
    const over = rig.heard();
    await rig.reload();
    const running = rig.heard();
    over?.splice(0);
    await rig.turn(!suite.holding);
    if (running !== undefined) await until(() => running.length > 0, "a call back", suite.patience);
    await turns(100);
    assert.deepEqual(over ?? [], []);
  });

  rigged("does not call back, and can still be asked, after the proxy has closed", async (rig, { turn, holding }) => {
    const heard = rig.heard();
    const condition = rig.condition();
    await rig.close();
    heard?.splice(0);
    await turn(!holding);
    await turns(100);
    assert.deepEqual(heard ?? [], []);
    assert.equal(typeof condition.holds(), "boolean");
  });
}

async function withRig(suite: Required<ConditionSuite>, law: (rig: Rig) => Awaitable<void>): Promise<void> {
  const watched = witness();
  const plugins = [await suite.create(), ...suite.others(), watched.plugin];
  const proxy = await createQuietProxy({ plugins });
  const rig: Rig = {
    condition: watched.condition,
    async turn(holds) {
      await suite.turn(holds);
      const turned = (): boolean => watched.condition().holds() === holds;
      await until(turned, holds ? "it holds" : "it no longer holds", suite.patience);
    },
    reload: async () => void (await proxy.reload({ plugins })),
    close: () => proxy.close({ deadline: 0 }),
    heard() {
      const condition = watched.condition();
      if (condition.onChange === undefined) return undefined;
      const said: boolean[] = [];
      condition.onChange(() => said.push(condition.holds()));
      return said;
    },
  };
  try {
    await law(rig);
  } finally {
    await rig.close();
  }
}

/** Gets hold of the condition as core does. */
function witness(): { readonly plugin: Plugin; condition(): Condition } {
  let found: Condition | undefined;
  const plugin = definePlugin({
    name: "suite-witness",
    setup(proxy) {
      const conditions = proxy.useAll("condition");
      proxy.onReady(() => void ([found] = conditions.value.values()));
    },
  })();
  return {
    plugin,
    condition() {
      assert.ok(found, "no plugin provides a condition");
      return found;
    },
  };
}
