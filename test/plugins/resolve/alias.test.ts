import { createProxy, definePlugin, defineSelector, type Route } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { testPlugin, testResolver } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { first, open } from "./stage.ts";

const fast: AliasOptions = {
  fast: { targets: [{ model: "qwen3-8b" }], synonyms: ["quick", "rapid/1"] },
};
const entry = { targets: [{ model: "m" }] };

describe("an alias", () => {
  testResolver({ test, create: () => alias(fast), name: "fast", upstreamModel: "qwen3-8b" });
});

describe("a synonym", () => {
  testResolver({ test, create: () => alias(fast), name: "quick", upstreamModel: "qwen3-8b" });
});

describe("an alias of the same name", () => {
  const same = { "qwen3-8b": { targets: [{ model: "qwen3-8b" }] } };
  testResolver({ test, create: () => alias(same), name: "qwen3-8b" });
});

describe("an alias beside the plugin model", () => {
  testResolver({
    test,
    create: () => alias(fast),
    others: () => [model({ unknown: 404 })],
    name: "fast",
    upstreamModel: "qwen3-8b",
  });
});

describe("a provider's name and its model", () => {
  testResolver({ test, create: () => alias(), name: "suite/org/Qwen", upstreamModel: "org/Qwen" });
});

testPlugin({
  test,
  create: () => alias(fast),
  badOptions: [
    { options: { fast: { targets: [] } }, says: "fast.targets" },
    { options: { fast: {} }, says: "fast.targets" },
    { options: { fast: { targets: [{ model: "" }] } }, says: "fast.targets.0.model" },
    { options: { fast: { targets: [{ model: "m", weight: -1 }] } }, says: "fast.targets.0.weight" },
    { options: { fast: { targets: [{ model: "m", wieght: 1 }] } }, says: 'did you mean "weight"' },
    { options: { fast: { ...entry, synonims: ["x"] } }, says: 'did you mean "synonyms"' },
    { options: { fast: { ...entry, retry: { on: ["conect"] } } }, says: 'did you mean "connect"' },
    { options: { fast: { ...entry, retry: { attempts: 0 } } }, says: "fast.retry.attempts" },
    { options: { fast: { ...entry, timeouts: { total: "1s" } } }, says: "fast.timeouts.total" },
    { options: { "-fast": entry }, says: "-fast" },
    { options: { "fast one": entry }, says: "fast one" },
    { options: { fast: { ...entry, synonyms: [" quick"] } }, says: "fast.synonyms.0" },
    { options: { fast: { ...entry, groups: [entry] } }, says: "fast.groups: Expected either targets or groups" },
    { options: { fast: { groups: [] } }, says: "fast.groups" },
    { options: { fast: { groups: [{ targets: [] }] } }, says: "fast.groups.0.targets" },
    { options: { fast: { groups: [{ ...entry, nmae: "x" }] } }, says: 'did you mean "name"' },
    { options: { fast: { targets: [{ model: "m", enabled: 1 }] } }, says: "fast.targets.0.enabled" },
    { options: { fast: { targets: [{ alias: "" }] } }, says: "fast.targets.0.alias" },
    { options: { fast: { targets: [{ alias: "a", model: "m" }] } }, says: "either an alias or a model" },
    { options: { fast: { targets: [{ alias: "a", provider: "p" }] } }, says: "fast.targets.0.provider" },
    { options: { fast: { ...entry, selector: 1 } }, says: /fast\.selector: Expected the name of a selector/ },
    { options: { fast: { ...entry, selector: "" } }, says: "fast.selector" },
    { options: { fast: { ...entry, hidden: "yes" } }, says: "fast.hidden" },
    { options: { fast: { ...entry, set: { model: "m" } } }, says: "fast.set.model: The model is what the targets say" },
    { options: { fast: { ...entry, defaults: { model: "m" } } }, says: "fast.defaults.model" },
    { options: { fast: { ...entry, set: { a: undefined } } }, says: "fast.set.a: Expected a value that JSON can hold" },
    { options: { fast: { ...entry, defaults: { a: 1n } } }, says: "fast.defaults.a" },
    { options: { "a*b*": entry }, says: "a*b*" },
    { options: { fast: { targets: [{ model: "m-*" }] } }, says: "fast.targets.0.model: Expected a name without *" },
    { options: { fast: { ...entry, synonyms: ["q*"] } }, says: "fast.synonyms.0" },
    {
      options: { fast: { ...entry, synonyms: ["fast"] } },
      says: /fast\.synonyms\.0: The name "fast" is taken by the alias "fast" already.*'fast'/,
    },
    {
      options: { fast: { ...entry, synonyms: ["q", "q"] } },
      says: /fast\.synonyms\.1: The name "q" is taken by the alias "fast" already/,
    },
    {
      options: { slow: entry, fast: { ...entry, synonyms: ["slow"] } },
      says: /fast\.synonyms\.0: The name "slow" is taken by the alias "slow" already/,
    },
    {
      options: { fast: { ...entry, synonyms: ["q"] }, slow: { ...entry, synonyms: ["p", "q"] } },
      says: /slow\.synonyms\.1: The name "q" is taken by the alias "fast" already/,
    },
  ],
});

test("an alias with an unknown selector is refused at start, by the name of the selector", async () => {
  const proxy = createProxy({
    plugins: [first(), alias({ fast: { ...entry, selector: "cheapest" } })],
  });
  await expect(proxy).rejects.toThrow("cheapest");
});

test("the model of a target is the upstream's, and never another alias", async () => {
  const options = { one: { targets: [{ model: "two" }] }, two: { targets: [{ model: "x" }] } };
  const { ask } = await open({
    targets: { a: { models: ["x"] } },
    found: true,
    plugins: [first(), alias(options)],
  });
  expect(await ask("one")).toMatchObject({ status: 503 });
  expect(await ask("two")).toMatchObject({ model: "x" });
});

test("an alias has its own selector, pool, retry rule and timeouts", async () => {
  const last = defineSelector({ name: "last", pick: (candidates) => candidates.at(-1) });
  const routes: Route[] = [];
  const look = definePlugin({
    name: "look",
    setup: () => ({ admit: (x) => void routes.push(x.route as Route) }),
  });
  const options: AliasOptions = {
    fast: {
      targets: [{ model: "x" }],
      selector: "last",
      retry: { attempts: 7, on: ["status"], statuses: [429] },
      timeouts: { headers: 123 },
    },
    other: { targets: [{ model: "x" }], pool: "other" },
  };
  const { ask } = await open({
    targets: { a: { models: ["x"] }, b: { models: ["x"] } },
    plugins: [first(), last(), alias(options), look()],
  });
  expect(await ask("fast")).toMatchObject({ target: "b" });
  expect(await ask("other")).toMatchObject({ status: 503 });
  expect(routes[0]).toMatchObject({ name: "fast", alias: "fast", timeouts: { headers: 123, connect: 3_000 } });
  expect(routes[0]?.retry).toEqual({
    attempts: 7,
    on: new Set(["status"]),
    statuses: new Set([429]),
    nonIdempotent: false,
  });
  expect(routes[1]?.pool.name).toBe("other");
});
