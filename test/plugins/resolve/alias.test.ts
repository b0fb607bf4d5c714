import { createProxy, definePlugin, defineSelector, type Plugin, type Route } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { inOrder } from "plugboard/plugins/select/in-order";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { models } from "plugboard/plugins/stats/models";
import { testPlugin, testResolver } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { down, first, open } from "./stage.ts";

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
    others: () => [model()],
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

describe("the candidates of an alias", () => {
  const targets = {
    a: { models: ["x"], labels: { provider: "one" } },
    b: { models: ["x", "y"], labels: { provider: "two" } },
    c: { models: ["y"], labels: { provider: "two" } },
    any: { labels: { provider: "three" } },
  };
  const seenBy = async (options: AliasOptions, times: number): Promise<string[]> => {
    const { ask, seen } = await open({ targets, plugins: [roundRobin(), alias(options)] });
    for (let i = 0; i < times; i++) expect((await ask("fast")).status).toBe(200);
    return seen.map((one) => `${one.target} ${String(one.model)}`).toSorted();
  };

  test("are all that serve its model", async () => {
    expect(await seenBy({ fast: { targets: [{ model: "x" }] } }, 3)).toEqual(["a x", "any x", "b x"]);
  });

  test("are those with the provider's label, if one is named", async () => {
    expect(await seenBy({ fast: { targets: [{ model: "y", provider: "two" }] } }, 2)).toEqual(["b y", "c y"]);
  });

  test("are the one with the provider's name as its id", async () => {
    expect(await seenBy({ fast: { targets: [{ model: "y", provider: "c" }] } }, 2)).toEqual(["c y", "c y"]);
  });

  test("are of all its models, each under its own name", async () => {
    const options = {
      fast: {
        targets: [
          { model: "x", provider: "one" },
          { model: "z", provider: "three" },
        ],
      },
    };
    expect(await seenBy(options, 2)).toEqual(["a x", "any z"]);
  });

  test("are of one target twice, if it serves two of its models", async () => {
    const options = {
      fast: {
        targets: [
          { model: "x", provider: "b" },
          { model: "y", provider: "b", weight: 2 },
        ],
      },
    };
    expect(await seenBy(options, 3)).toEqual(["b x", "b y", "b y"]);
  });

  test("do not hold one that serves the model of another provider only", async () => {
    const { ask } = await open({
      targets,
      plugins: [first(), alias({ fast: { targets: [{ model: "x", provider: "c" }] } })],
    });
    expect(await ask("fast")).toMatchObject({ status: 503, code: "no_targets" });
  });

  test("come in the order of the alias, not of the pool", async () => {
    const options = {
      fast: {
        targets: [
          { model: "y", provider: "c" },
          { model: "x", provider: "a" },
        ],
      },
    };
    const { ask } = await open({ targets, plugins: [inOrder(), alias(options)] });
    expect(await ask("fast")).toMatchObject({ target: "c", model: "y" });
    const other = await open({ targets, plugins: [inOrder(), alias(options), down("c")] });
    expect(await other.ask("fast")).toMatchObject({ target: "a", model: "x" });
  });

  test("are never those of another alias, although the targets are the same", async () => {
    const options = { one: { targets: [{ model: "x" }] }, two: { targets: [{ model: "y" }] } };
    const { ask } = await open({ targets, plugins: [roundRobin(), alias(options)] });
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i % 2 === 0 ? "one" : "two")));
    expect(answers.map((answer) => answer.model)).toEqual(answers.map((_, i) => (i % 2 === 0 ? "x" : "y")));
  });
});

describe("the weights of an alias", () => {
  test("are the alias's times the target's", async () => {
    const targets = { a: { models: ["x"], weight: 2 }, b: { models: ["y"], weight: 3 } };
    const options = { fast: { targets: [{ model: "x", weight: 3 }, { model: "y" }] } };
    const { ask, seen } = await open({ targets, plugins: [roundRobin(), alias(options)] });
    for (let i = 0; i < 9; i++) await ask("fast");
    expect(seen.filter(({ target }) => target === "a")).toHaveLength(6);
    expect(seen.filter(({ target }) => target === "b")).toHaveLength(3);
  });

  test("of 0 keep a target out of the alias alone", async () => {
    const targets = { a: { models: ["x"] }, b: { models: ["x"] } };
    const options = {
      fast: {
        targets: [
          { model: "x", provider: "a", weight: 0 },
          { model: "x", provider: "b" },
        ],
      },
    };
    const { ask, seen } = await open({ targets, plugins: [roundRobin(), alias(options), model()] });
    for (let i = 0; i < 4; i++) await ask("fast");
    for (let i = 0; i < 4; i++) await ask("x");
    expect(seen.map(({ target }) => target).join("")).toMatch(/^bbbb(ab|ba)+$/);
  });
});

describe("another attempt", () => {
  const retry = { nonIdempotent: true };

  test("asks for the model by the name of its own target", async () => {
    const options: AliasOptions = {
      fast: { targets: [{ model: "x" }, { model: "yyyyyyyyyy" }], retry },
    };
    const targets = { a: { models: ["x"] }, b: { models: ["yyyyyyyyyy"] } };
    const { ask, seen } = await open({
      targets,
      plugins: [inOrder(), alias(options)],
      broken: ["a"],
    });
    const body = '{"a":1.0, "model":"fast" ,"z":[]}';
    expect(await ask({ body })).toMatchObject({ target: "b", model: "yyyyyyyyyy" });
    expect(seen.map(({ text }) => text)).toEqual([
      '{"a":1.0, "model":"x" ,"z":[]}',
      '{"a":1.0, "model":"yyyyyyyyyy" ,"z":[]}',
    ]);
  });

  test("gives the body back as it was to a target that knows the client's name", async () => {
    const options: AliasOptions = { fast: { targets: [{ model: "x" }, { model: "fast" }], retry } };
    const { ask, seen } = await open({
      targets: { a: { models: ["x"] }, b: { models: ["fast"] } },
      plugins: [inOrder(), alias(options)],
      broken: ["a"],
    });
    expect(await ask("fast")).toMatchObject({ target: "b", model: "fast" });
    expect(seen).toHaveLength(2);
  });

  test("is not made at a target that has failed under its other model", async () => {
    const options: AliasOptions = { fast: { targets: [{ model: "x" }, { model: "y" }], retry } };
    const { ask, seen } = await open({
      targets: { a: { models: ["x", "y"] }, b: { models: ["y"] } },
      plugins: [inOrder(), alias(options)],
      broken: ["a"],
    });
    expect(await ask("fast")).toMatchObject({ target: "b", model: "y" });
    expect(seen.map(({ target }) => target)).toEqual(["a", "b"]);
  });
});

describe("provider/model", () => {
  const targets = {
    a: { models: ["x", "org/x"], labels: { provider: "one" } },
    b: { models: ["x"], labels: { provider: "two" } },
    c: { labels: { provider: "any" } },
    d: { models: ["special"], labels: { provider: "any" } },
  };
  const ask = async (name: string, ...plugins: Plugin[]) =>
    (await open({ targets, plugins: [first(), alias(fast), ...plugins] })).ask(name);

  test.each([
    ["one/x", "a", "x"],
    ["two/x", "b", "x"],
    ["one/org/x", "a", "org/x"],
    ["b/x", "b", "x"],
    ["any/whatever", "c", "whatever"],
    ["any/org/whatever", "c", "org/whatever"],
    ["any/special", "c", "special"],
    ["d/special", "d", "special"],
  ])("%s goes to %s as %s", async (name, target, upstream) => {
    expect(await ask(name)).toMatchObject({ status: 200, target, model: upstream });
  });

  test.each([
    "one/y",
    "One/x",
    "one/X",
    "none/x",
    "one/",
    "/x",
    "one",
    "one//x",
    "http://one/x",
    "d/other",
    "__proto__/x",
  ])("%s is unknown", async (name) => {
    expect(await ask(name)).toMatchObject({ status: 404, code: "model_not_found" });
  });

  test("goes to all targets of the provider that serve the model, those that list none included", async () => {
    const { ask: askIt, seen } = await open({ targets, plugins: [roundRobin(), alias()] });
    for (let i = 0; i < 4; i++) await askIt("any/special");
    expect(seen.map(({ target }) => target).toSorted()).toEqual(["c", "c", "d", "d"]);
  });

  test("comes after aliases and synonyms", async () => {
    const options = {
      "one/x": { targets: [{ model: "x", provider: "two" }], synonyms: ["any/x"] },
    };
    const { ask: askIt } = await open({ targets, plugins: [first(), alias(options)] });
    expect(await askIt("one/x")).toMatchObject({ target: "b", model: "x" });
    expect(await askIt("any/x")).toMatchObject({ target: "b", model: "x" });
  });

  test("comes before the plugin model", async () => {
    const { ask: askIt } = await open({
      targets: { org: { models: ["y"] }, b: { models: ["org/y"] } },
      plugins: [first(), model(), alias()],
    });
    expect(await askIt("org/y")).toMatchObject({ target: "org", model: "y" });
  });

  test("that no provider serves is left to the plugin model", async () => {
    expect(await ask("org/x", model())).toMatchObject({ status: 200, target: "a", model: "org/x" });
    const { ask: askIt } = await open({
      targets: { a: { models: ["org/x"] } },
      plugins: [first(), alias(), model()],
    });
    expect(await askIt("org/x")).toMatchObject({ target: "a", model: "org/x" });
  });

  test("is a 503 when the provider's targets are down", async () => {
    expect(await ask("one/x", down("a"))).toMatchObject({ status: 503, code: "no_targets" });
  });

  test("makes routes for what targets list, not for what clients ask for", async () => {
    let routes = 0;
    const create = () => {
      routes += 1;
      return { pick: (candidates: readonly { id: string }[]) => candidates[0] as never };
    };
    const { ask: askIt } = await open({
      targets,
      plugins: [defineSelector({ name: "counting", create })(), alias()],
    });
    await askIt("any/0");
    const before = routes;
    for (let i = 1; i < 50; i++) expect(await askIt(`any/${i}`)).toMatchObject({ target: "c", model: `${i}` });
    for (let i = 0; i < 50; i++) expect(await askIt(`one/${i}`)).toMatchObject({ status: 404 });
    expect(routes).toBe(before);
  });
});

test("an alias leads to upstream models, never to another alias", async () => {
  const options = { one: { targets: [{ model: "two" }] }, two: { targets: [{ model: "x" }] } };
  const { ask } = await open({
    targets: { a: { models: ["x"] } },
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
  expect(routes[0]).toMatchObject({ name: "fast", timeouts: { headers: 123, connect: 3_000 } });
  expect(routes[0]?.retry).toEqual({
    attempts: 7,
    on: new Set(["status"]),
    statuses: new Set([429]),
    nonIdempotent: false,
  });
  expect(routes[1]?.pool.name).toBe("other");
});

describe("beside other plugins", () => {
  test("a body that one of them has put in place keeps what it did, before the alias and after it", async () => {
    const adding = definePlugin({
      name: "adding",
      setup: () => ({
        upstreamRequest(x) {
          const text = Buffer.from(x.upstream.body as Uint8Array).toString();
          x.upstream.body = Buffer.from(text.replace("{", '{"stream":true,'));
        },
      }),
    });
    for (const plugins of [
      [adding(), alias(fast)],
      [alias(fast), adding()],
    ]) {
      const { ask, seen } = await open({ targets: { a: {} }, plugins: [first(), ...plugins] });
      await ask("fast");
      expect(seen[0]?.text).toBe('{"stream":true,"model":"qwen3-8b"}');
    }
  });

  test("a model that one of them has set is resolved, and takes the place of the body's", async () => {
    const setting = definePlugin({
      name: "setting",
      setup: () => ({
        request(x) {
          x.model = "fast";
        },
      }),
    });
    const { ask } = await open({ targets: { a: {} }, plugins: [first(), setting(), alias(fast)] });
    expect(await ask("whatever")).toMatchObject({ model: "qwen3-8b" });
    expect(await ask({ body: "{}" })).toMatchObject({ status: 200, model: undefined });
    expect(await ask({ body: "", method: "GET" })).toMatchObject({ status: 200 });
  });

  test("a request without a model is theirs", async () => {
    const { ask } = await open({ targets: { a: {} }, plugins: [first(), alias(fast)] });
    expect(await ask({ body: "{}" })).toMatchObject({ status: 404, code: "route_not_found" });
    const other = await open({ targets: { a: {} }, plugins: [first(), alias(fast), model()] });
    expect(await other.ask({ body: "{}" })).toMatchObject({ status: 200 });
  });

  test("the list of models has the aliases with their descriptions, and the synonyms", async () => {
    const options = {
      fast: { targets: [{ model: "x" }], synonyms: ["quick"], description: "A small one" },
      plain: entry,
    };
    const { proxy } = await open({
      targets: { a: { models: ["x"] } },
      plugins: [first(), alias(options), models()],
    });
    const { data } = (await (await proxy.fetch(new Request("http://proxy/v1/models"))).json()) as {
      data: { id: string; description?: string }[];
    };
    expect(data.map(({ id, description }) => [id, description])).toEqual([
      ["fast", "A small one"],
      ["plain", undefined],
      ["quick", "Alias for: fast"],
      ["x", undefined],
    ]);
  });
});

describe("explain", () => {
  const targets = {
    a: { models: ["x"] },
    b: { models: ["y"] },
    c: { models: ["z"], labels: { provider: "p" } },
  };
  const explain = async (name: string) => {
    const options = {
      fast: { targets: [{ model: "x" }, { model: "y", provider: "b" }], synonyms: ["quick"] },
    };
    const { proxy } = await open({ targets, plugins: [first(), alias(options)] });
    return proxy.explain({ body: JSON.stringify({ model: name }) });
  };

  test("tells an alias, what each target knows it as, and what is sent", async () => {
    const { steps, candidates, upstream } = await explain("fast");
    expect(steps).toEqual([
      { phase: "resolve", note: "alias: 'fast' is an alias" },
      { phase: "resolve", note: "alias: a knows it as 'x'" },
      { phase: "resolve", note: "alias: b knows it as 'y'" },
      { phase: "upstreamRequest", note: "alias: 'fast' in the body becomes 'x'" },
    ]);
    expect(candidates).toContainEqual(
      expect.objectContaining({ id: "c", kept: false, reason: "does not serve 'x' or 'y' of b" }),
    );
    expect(upstream?.body).toBe('{"model":"x"}');
  });

  test("tells a synonym", async () => {
    expect((await explain("quick")).steps[0]).toEqual({
      phase: "resolve",
      note: "alias: 'quick' is a synonym of 'fast'",
    });
  });

  test("tells a provider's model", async () => {
    const { steps, upstream } = await explain("p/z");
    expect(steps[0]).toEqual({
      phase: "resolve",
      note: "alias: 'p/z' is the model 'z' of a provider",
    });
    expect(upstream?.body).toBe('{"model":"z"}');
  });
});
