import { describe, expect, onTestFinished, test } from "vitest";
import { type Condition, createProxy, definePlugin, type Plugin, type TargetSpec } from "plugboard";
import { anyAvailable, type AnyAvailableOptions } from "plugboard/plugins/condition/any-available";
import { testCondition, testPlugin } from "plugboard/testing";
import { conditionOf } from "../../../core/testing/condition.ts";
import { type FilledPool, filledPool, published } from "./pool-rig.ts";

const a: TargetSpec = { id: "a", url: "http://127.0.0.1:1" };
const b: TargetSpec = { id: "b", url: "http://127.0.0.1:2" };

describe("by health", () => {
  let pool: FilledPool;
  testCondition({
    test,
    create() {
      pool = filledPool([a]);
      return anyAvailable();
    },
    others: () => [pool.plugin],
    turn: (holds) => pool.set("a", holds),
    holding: true,
  });
});

describe("by discovery, of two targets that serve a model", () => {
  let pool: FilledPool;
  const serving = (...models: string[]): readonly TargetSpec[] => [
    { ...a, models },
    { ...b, models: ["other", "small"] },
  ];
  testCondition({
    test,
    create() {
      pool = filledPool(serving("other"), "gpu");
      return anyAvailable({ pool: "gpu", model: "small", min: 2, name: "enough" });
    },
    others: () => [pool.plugin],
    turn: (holds) => pool.replace(serving(holds ? "small" : "other")),
  });
});

testPlugin({
  test,
  create: () => anyAvailable(),
  badOptions: [
    { options: { pool: "" }, says: "pool: Expected a word" },
    { options: { min: 0 }, says: "min: Expected 1 or more" },
    { options: { min: 1.5 }, says: "min: Expected a whole number" },
    { options: { model: 1 }, says: /model: .*Expected string/ },
    { options: { name: "" }, says: "name: Expected a word" },
  ],
});

interface Asked {
  readonly condition: Condition;
  readonly pool: FilledPool;
  available(...ids: string[]): Promise<void>;
}

async function asked(options: AnyAvailableOptions, targets: readonly TargetSpec[]): Promise<Asked> {
  const pool = filledPool(targets);
  let condition: Condition | undefined;
  const proxy = await createProxy({
    plugins: [anyAvailable(options), pool.plugin, reads((found) => (condition = found))],
  });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  if (condition === undefined) throw new Error("no condition");
  return { condition, pool, available: (...ids) => published(proxy, "default", ids) };
}

function reads(take: (condition: Condition) => void): Plugin {
  return definePlugin({
    name: "reads",
    setup(proxy) {
      const condition = proxy.use("condition");
      proxy.onReady(() => take(condition.value));
    },
  })();
}

test("counts a target that lists no models for every model", async () => {
  const { condition } = await asked({ model: "small" }, [a]);
  expect(condition.holds()).toBe(true);
});

test("does not count a target by a part of its model's name", async () => {
  const { condition } = await asked({ model: "small" }, [{ ...a, models: ["small-2"] }]);
  expect(condition.holds()).toBe(false);
});

test("does not count targets that are switched off", async () => {
  const { condition } = await asked({}, [{ ...a, enabled: false }]);
  expect(condition.holds()).toBe(false);
});

test("holds as long as enough are left", async () => {
  const { condition, pool, available } = await asked({ min: 2 }, [a, b, { id: "c", url: "http://127.0.0.1:3" }]);
  pool.set("a", false);
  await available("b", "c");
  expect(condition.holds()).toBe(true);
  pool.set("b", false);
  await available("c");
  expect(condition.holds()).toBe(false);
});

test("says what is missing", async () => {
  const three = [a, b, { id: "c", url: "http://127.0.0.1:3" }];
  const why = async (options: AnyAvailableOptions, targets: readonly TargetSpec[]): Promise<string | undefined> =>
    (await asked(options, targets)).condition.why?.();
  expect(await why({}, [])).toBe("no target of pool default is available");
  expect(await why({ min: 2 }, [a])).toBe("only 1 target of pool default is available, and 2 must be");
  expect(await why({ min: 4 }, three)).toBe("only 3 targets of pool default are available, and 4 must be");
  expect(await why({ model: "small" }, [{ ...a, models: ["big"] }])).toBe(
    "no target of pool default that serves small is available",
  );
});

test("goes by its own name, unless it was given another", async () => {
  const { available } = await asked({}, [a]);
  await available("a");
  const proxy = createProxy({ plugins: [anyAvailable(), anyAvailable({ min: 2 })] });
  await expect(proxy).rejects.toThrow('condition "any-available" is provided twice');
  await expect(conditionOf(anyAvailable(), [anyAvailable({ name: "two", min: 2 })])).rejects.toThrow("more than one");
});

test("of a config in which nothing fills a pool, says that no target is available", async () => {
  const condition = await conditionOf(anyAvailable());
  expect(condition.holds()).toBe(false);
  expect(condition.why?.()).toBe("no target of pool default is available");
});
