import { definePlugin, type Plugin, type ProxyConfig } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import type { ConfigProblem } from "../../../core/config/config-error.ts";
import { validateConfig } from "../../../core/config/validate.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { problemsOf } from "./config-error-of.ts";

const level = v.picklist(["low", "middle", "high"]);
const sample = definePlugin({
  name: "sample",
  options: v.strictObject({
    port: v.number(),
    level: v.optional(level),
    targets: v.optional(v.array(v.strictObject({ model: v.string(), weight: v.optional(v.number()) }))),
    aliases: v.optional(v.record(v.string(), v.strictObject({ selector: v.string() }))),
  }),
  setup: () => {},
});
/** A plugin with options that the types would have refused. */
const wrong = (options: unknown): Plugin => sample(options as never);
const plain = definePlugin({ name: "plain", setup: () => {} });
const problems = (config: unknown): Promise<readonly ConfigProblem[]> =>
  problemsOf(validateConfig(config as ProxyConfig));
const problemOf = async (options: unknown): Promise<ConfigProblem | undefined> =>
  (await problems({ plugins: [wrong(options)] }))[0];

test("everything that is wrong is told at once: several options of several plugins, and the config's own", async () => {
  const config = {
    port: 70_000,
    lmits: {},
    limits: { body: -1 },
    plugins: [wrong({ port: "80", level: "hihg" }), plain(), plain(), wrong({})],
  };
  const found = await problems(config);
  expect(found.map(({ plugin, path }) => `${plugin} ${path}`.trim()).toSorted()).toEqual([
    "limits.body",
    "lmits",
    "plugins[0] sample level",
    "plugins[0] sample port",
    "plugins[2] plain",
    "plugins[3] sample",
    "plugins[3] sample port",
    "port",
  ]);
});

test("a problem is one line: where, what, what was received, how to mend it", async () => {
  const config = { plugins: [roundRobin(), wrong({ port: 1, targets: [{ model: "m" }, { model: 5 }] })] };
  await expect(validateConfig(config)).rejects.toThrow(
    /^plugins\[1\] sample: targets\.1\.model: .*Expected string\b.*, received 5$/,
  );
});

describe("a misspelt option", () => {
  test.each([
    ["at the top", { port: 1, levle: "low" }, "levle", 'did you mean "level"?'],
    ["in another case", { port: 1, Level: "low" }, "Level", 'did you mean "level"?'],
    ["in a list", { port: 1, targets: [{ model: "m", wieght: 2 }] }, "targets.0.wieght", 'did you mean "weight"?'],
    [
      "in a record",
      { port: 1, aliases: { fast: { selector: "a", selectr: "b" } } },
      "aliases.fast.selectr",
      'did you mean "selector"?',
    ],
    ["like no other", { port: 1, zzz: 1 }, "zzz", "known options: port, level, targets, aliases"],
  ])("%s is named, with a guess", async (_what, options, path, fix) => {
    expect(await problemOf(options)).toMatchObject({ path, message: "unknown option", fix });
  });

  test("of the config is too", async () => {
    expect(await problems({ plugins: [], limits: { bdoy: 1 }, timeuots: {} })).toMatchObject([
      {
        plugin: "",
        path: "limits.bdoy",
        message: "unknown option",
        received: "1",
        fix: 'did you mean "body"?',
        index: -1,
      },
      { plugin: "", path: "timeuots", message: "unknown option", fix: 'did you mean "timeouts"?' },
    ]);
  });
});

describe("a value that is not in the list", () => {
  test.each([
    ["hihg", 'did you mean "high"?'],
    ["nothing like it", "one of low, middle, high"],
  ])("%s", async (value, fix) => {
    expect(await problemOf({ port: 1, level: value })).toMatchObject({ path: "level", received: `'${value}'`, fix });
  });

  test("of the config is told too", async () => {
    expect(await problems({ plugins: [], retry: { on: ["connect", "rest"] } })).toMatchObject([
      { path: "retry.on.1", received: "'rest'", fix: 'did you mean "reset"?' },
    ]);
  });
});

test.each([
  ["port", -1],
  ["port", 70_000],
  ["port", 1.5],
  ["port", "8000"],
  ["host", ""],
  ["limits", { headerCount: -1 }],
  ["retry", { attempts: 0 }],
  ["retry", { statuses: [99] }],
  ["timeouts", { connect: "3s" }],
  ["trustedProxies", "10.0.0.0/8"],
  ["upgrades", [1]],
])("a config's %s cannot be %j", async (key, value) => {
  const [problem, ...more] = await problems({ plugins: [], [key]: value });
  expect(problem?.path.startsWith(key)).toBe(true);
  expect(problem?.received).toBeDefined();
  expect(more).toEqual([]);
});

describe("the list of plugins", () => {
  test.each([undefined, null, 5, "text", [], {}, { plugins: {} }, { plugins: "roundRobin" }])(
    "cannot be missing: %j",
    async (config) => {
      expect(await problems(config)).toMatchObject([
        { path: "plugins", message: "a config needs a list of plugins", fix: expect.stringContaining("defineProxy") },
      ]);
    },
  );

  test("may hold groups, and plugins that are switched off", async () => {
    const plugins = [plain(), [roundRobin(), wrong({ port: 1 })], false, null, undefined];
    const valid = await validateConfig({ plugins: plugins as ProxyConfig["plugins"] });
    expect(valid.map(({ instance }) => instance.name)).toEqual(["plain", "round-robin", "sample"]);
  });

  test("is counted as it stands after that", async () => {
    expect(await problems({ plugins: [false, [plain(), wrong({})]] })).toMatchObject([
      { plugin: "plugins[1] sample", index: 1 },
    ]);
  });

  test.each([
    ["an object", { name: "x" }, "use a factory made by definePlugin"],
    ["a text", "round-robin", "use a factory made by definePlugin"],
    ["a number", 5, "use a factory made by definePlugin"],
  ])("cannot hold %s", async (_what, entry, fix) => {
    expect(await problems({ plugins: [plain(), entry] })).toMatchObject([
      { plugin: "plugins[1]", message: "is not a plugin", fix, index: 1, received: expect.any(String) },
    ]);
  });

  test("cannot hold a factory that was not called: the name to call is told", async () => {
    expect(await problems({ plugins: [roundRobin] })).toMatchObject([
      { message: "is not a plugin", fix: "call it: roundRobin()" },
    ]);
  });

  test("names every entry that is none", async () => {
    expect(await problems({ plugins: [1, plain(), "a", {}] })).toHaveLength(3);
  });

  test("cannot hold a plugin twice, unless it says that it may", async () => {
    const [problem] = await problems({ plugins: [plain(), roundRobin(), plain()] });
    expect(problem).toMatchObject({
      plugin: "plugins[2] plain",
      message: "stands in the config twice, first as plugins[0]",
      fix: "remove one, or merge their options",
    });
    const twice = (): Plugin => quickPlugin("many", () => {});
    expect(await validateConfig({ plugins: [twice(), twice()] })).toHaveLength(2);
  });
});

describe("options", () => {
  test("given to a plugin that takes none are refused", async () => {
    const sure = plain as (options: unknown) => Plugin;
    expect(await problems({ plugins: [sure({ port: 1 })] })).toMatchObject([
      { plugin: "plugins[0] plain", path: "", message: "takes no options", received: "{ port: 1 }" },
    ]);
  });

  test("that are left out are the schema's defaults", async () => {
    const seen: unknown[] = [];
    const defaults = definePlugin({
      name: "defaults",
      options: v.strictObject({ level: v.optional(level, "middle") }),
      setup: () => {},
    });
    for (const each of await validateConfig({ plugins: [defaults()] })) seen.push(each.options);
    expect(seen).toEqual([{ level: "middle" }]);
  });

  test("reach the plugin as the schema made them", async () => {
    const times = definePlugin({
      name: "times",
      options: v.strictObject({ at: v.pipe(v.string(), v.transform(Number)) }),
      setup: () => {},
    });
    expect(await validateConfig({ plugins: [times({ at: "5" })] })).toMatchObject([{ options: { at: 5 } }]);
  });

  test("that were given are left as they were", async () => {
    const given = Object.freeze({ port: 1, targets: Object.freeze([Object.freeze({ model: "m" })]) });
    await validateConfig({ plugins: [wrong(given)] });
    expect(given).toEqual({ port: 1, targets: [{ model: "m" }] });
  });
});

test("a near miss is found behind a lazy schema too", async () => {
  const targets = [{ url: "http://127.0.0.1:1", wieght: 2 }];
  expect(await problems({ plugins: [staticTargets({ targets })] })).toMatchObject([
    { path: "targets.0.wieght", message: "unknown option", fix: 'did you mean "weight"?' },
  ]);
});
