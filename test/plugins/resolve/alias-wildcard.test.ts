import { definePlugin, defineSelector, type Plugin } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { models } from "plugboard/plugins/stats/models";
import { testPlugin, testResolver } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { down, first, open, type StageOptions } from "./stage.ts";

const targets = {
  a: { models: ["org/gpt-4o", "org/gpt-5", "small"], labels: { provider: "router" } },
  b: { models: ["gpt-4o", "small"], labels: { provider: "own" } },
  any: { labels: { provider: "any" } },
};
const routed: AliasOptions = { "gpt-*": { targets: [{ model: "org/gpt-*", provider: "router" }] } };

describe("a name with a star", () => {
  const create = (): Plugin => alias({ "my-*": { targets: [{ model: "*", provider: "suite" }] } });
  testResolver({ test, create, name: "my-qwen", upstreamModel: "qwen" });
  testPlugin({ test, create });
});

async function stage(options: AliasOptions, more: Partial<StageOptions> = {}) {
  return open({ targets, ...more, plugins: [roundRobin(), alias(options), ...(more.plugins ?? [])] });
}

const small = [{ model: "small" }];

describe("the star", () => {
  test.each<[string, AliasOptions, string, string, string]>([
    ["at the end", routed, "gpt-4o", "a", "org/gpt-4o"],
    ["at the beginning", { "*-4o": { targets: [{ model: "org/*-4o" }] } }, "gpt-4o", "a", "org/gpt-4o"],
    [
      "in between",
      { "gpt-*-latest": { targets: [{ model: "gpt-*", provider: "own" }] } },
      "gpt-4o-latest",
      "b",
      "gpt-4o",
    ],
    ["alone", { "*": { targets: [{ model: "org/*", provider: "router" }] } }, "gpt-5", "a", "org/gpt-5"],
    [
      "of no target",
      { "gpt-*": { targets: small.map((each) => ({ ...each, provider: "own" })) } },
      "gpt-x",
      "b",
      "small",
    ],
  ])("%s stands for what was asked for", async (_, options, name, target, upstream) => {
    expect(await (await stage(options)).ask(name)).toMatchObject({ target, model: upstream });
  });

  test("stands for one character at least, whose case counts", async () => {
    const { ask } = await stage({ "gpt-*": { targets: small } });
    expect(await ask("gpt-")).toMatchObject({ status: 404 });
    expect(await ask("GPT-4o")).toMatchObject({ status: 404 });
  });

  test("puts what looks like a pattern into the name as it is", async () => {
    const { ask } = await stage({ "x-*": { targets: [{ model: "m-*", provider: "any" }] } });
    expect(await ask("x-$&*$1")).toMatchObject({ target: "any", model: "m-$&*$1" });
  });

  test("may be in one target and not in another", async () => {
    const both = { "gpt-*": { groups: [{ targets: [{ model: "org/gpt-*" }] }, { targets: small }] } };
    const listed = { a: targets.a, b: targets.b };
    const { ask } = await stage(both, { targets: listed });
    expect(await ask("gpt-4o")).toMatchObject({ target: "a", model: "org/gpt-4o" });
    expect(await ask("gpt-none")).toMatchObject({ model: "small" });
  });

  test("may lead to another alias, with the fields of both", async () => {
    const options: AliasOptions = {
      "gpt-*": { targets: [{ alias: "small" }], set: { a: 1 } },
      small: { targets: [{ model: "small", provider: "own" }], set: { a: 2, b: 2 } },
    };
    const { ask, seen } = await stage(options);
    expect(await ask("gpt-4o")).toMatchObject({ target: "b" });
    expect(JSON.parse(seen[0]?.text ?? "")).toEqual({ model: "small", a: 1, b: 2 });
  });
});

describe("the order", () => {
  const options: AliasOptions = {
    "*": { targets: [{ model: "one", provider: "any" }] },
    "gpt-*": { targets: [{ model: "two", provider: "any" }] },
    "gpt-4*": { targets: [{ model: "three", provider: "any" }] },
    "gpt-4o": { targets: [{ model: "four", provider: "any" }], synonyms: ["gpt-4p"] },
  };

  test.each([
    ["gpt-4o", "four"],
    ["gpt-4p", "four"],
    ["gpt-4q", "three"],
    ["gpt-5", "two"],
    ["router/small", "one"],
  ])("of an alias, a synonym, the most letters, and a provider at last: %s", async (name, upstream) => {
    expect(await (await stage(options)).ask(name)).toMatchObject({ model: upstream });
  });

  test("goes on where the targets are known not to serve the name", async () => {
    const { ask } = await stage(
      { ...routed, "*-nano": { targets: [{ model: "small", provider: "own" }] } },
      { plugins: [model({ unknown: 404 })] },
    );
    expect(await ask("gpt-nano")).toMatchObject({ target: "b", model: "small" });
    expect(await ask("gpt-9")).toMatchObject({ target: "any", model: "gpt-9" });
  });
});

describe("targets of a name with a star", () => {
  test("that list the model and that take any serve it together", async () => {
    const { ask, seen } = await stage({ "x-*": { targets: [{ model: "*" }] } });
    for (let i = 0; i < 4; i++) expect(await ask("x-gpt-4o")).toMatchObject({ status: 200, model: "gpt-4o" });
    expect(seen.map(({ target }) => target).toSorted()).toEqual(["any", "any", "b", "b"]);
    expect(await ask("x-other")).toMatchObject({ target: "any", model: "other" });
  });

  test("that all list other models leave a 404", async () => {
    expect(await (await stage(routed)).ask("gpt-9")).toMatchObject({ status: 404, code: "model_not_found" });
  });

  test("that are down leave a 503, and those that nobody found yet too", async () => {
    expect(await (await stage(routed, { plugins: [down("a")] })).ask("gpt-5")).toMatchObject({ status: 503 });
    const { ask, find } = await stage(routed, { targets: {}, found: true });
    expect(await ask("gpt-4o")).toMatchObject({ status: 503, code: "no_targets" });
    await find(targets);
    expect(await ask("gpt-4o")).toMatchObject({ target: "a", model: "org/gpt-4o" });
    await find({ b: targets.b });
    expect(await ask("gpt-4o")).toMatchObject({ status: 503, code: "no_targets" });
  });

  test("that are switched off leave a 404 that says so", async () => {
    const off = { ...targets, a: { ...targets.a, enabled: false } };
    const { ask } = await stage(routed, { targets: off });
    expect(await ask("gpt-5")).toMatchObject({ status: 404, code: "model_disabled" });
  });
});

test("routes are made for what targets list, not for what clients ask for", async () => {
  let routes = 0;
  const create = () => {
    routes += 1;
    return { pick: (candidates: readonly { id: string }[]) => candidates[0] as never };
  };
  const options = { ...routed, "any-*": { targets: [{ model: "*", provider: "any" }] } };
  const plugins = [defineSelector({ name: "counting", create })(), alias(options)];
  const { ask } = await open({ targets, plugins });
  await ask("gpt-4o");
  const before = routes;
  for (let i = 0; i < 50; i++) {
    expect(await ask(`any-${i}`)).toMatchObject({ target: "any", model: `${i}` });
    expect(await ask(`gpt-${i + 6}`)).toMatchObject({ status: 404 });
  }
  expect(await ask("gpt-4o")).toMatchObject({ target: "a" });
  expect(routes).toBe(before);
});

test("what clients make up is not the model of a target, which selectors remember, but of the request alone", async () => {
  const seen: unknown[] = [];
  const look = definePlugin({
    name: "look",
    setup(proxy) {
      const upstreamModel = proxy.slot<string>("upstream-model");
      return { upstreamRequest: (x) => void seen.push([x.target?.model, upstreamModel.get(x)]) };
    },
  });
  const options = { "any-*": { targets: [{ model: "m-*", provider: "any" }] } };
  const { ask } = await stage({ ...routed, ...options }, { plugins: [look()] });
  for (const name of ["any-thing", "any/thing", "gpt-4o", "router/small"]) await ask(name);
  expect(seen).toEqual([
    [undefined, "m-thing"],
    [undefined, "thing"],
    ["org/gpt-4o", undefined],
    ["small", "small"],
  ]);
});

test("a route tells the alias with the star", async () => {
  const told: unknown[] = [];
  const look = definePlugin({
    name: "look",
    setup: () => ({ admit: (x) => void told.push(x.route?.name, x.route?.alias) }),
  });
  const { ask } = await stage(
    { ...routed, "any-*": { targets: [{ model: "*", provider: "any" }] } },
    { plugins: [look()] },
  );
  await ask("gpt-4o");
  await ask("any-thing");
  expect(told).toEqual(["gpt-4o", "gpt-*", "any-*", "any-*"]);
});

test("names with a star are not listed, and explain tells which one it was", async () => {
  const { proxy } = await open({ targets, plugins: [first(), alias(routed), models()] });
  const { data } = (await (await proxy.fetch(new Request("http://proxy/v1/models"))).json()) as {
    data: { id: string }[];
  };
  expect(data.map(({ id }) => id)).not.toContain("gpt-*");
  const { steps, route } = await proxy.explain({ body: '{"model":"gpt-4o"}' });
  expect(steps.map(({ note }) => note)).toEqual([
    "alias: 'gpt-4o' is one of the alias 'gpt-*'",
    "alias: a knows it as 'org/gpt-4o'",
    "alias: 'gpt-4o' in the body becomes 'org/gpt-4o'",
  ]);
  expect(route?.name).toBe("gpt-4o");
});
