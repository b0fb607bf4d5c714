import { createProxy, definePlugin, type KnownTarget, type Plugin } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { describe, expect, onTestFinished, test } from "vitest";
import { problemsOf } from "../../core/config/config-error-of.ts";
import { keptLog } from "../../core/kept-log.ts";
import { first } from "./stage.ts";

const known: readonly KnownTarget[] = [
  { id: "gpu-1", models: ["qwen3-8b", "qwen3-32b"], labels: { provider: "local" } },
  { id: "gpu-2", models: ["qwen3-8b"], labels: { provider: "local" }, enabled: false },
  { id: "cloud", labels: { provider: "openrouter" }, enabled: false },
];
const one = [{ model: "qwen3-8b", provider: "local" }];

/** A discovery that pushes nothing and says that these are all that it would. */
function knowing(targets: readonly KnownTarget[] | undefined, pool = "default", name = "knowing"): Plugin {
  return definePlugin({
    name,
    setup: (proxy) => proxy.provide("discovery", name, { pool, ...(targets && { known: targets }), start: () => {} }),
  })();
}

async function refused(options: AliasOptions, ...others: Plugin[]): Promise<readonly object[]> {
  const plugins = [first(), alias(options), ...(others.length > 0 ? others : [knowing(known)])];
  const problems = await problemsOf(createProxy({ plugins }));
  return problems.map(({ path, message, received, fix }) => ({ path, message, received, fix }));
}

async function accepted(options: AliasOptions, ...others: Plugin[]): Promise<void> {
  const proxy = await createProxy({ plugins: [first(), alias(options), ...others] });
  await proxy.close({ deadline: 0 });
}

describe("an alias among the targets", () => {
  test("that leads to itself is refused, with the whole way", async () => {
    const options = {
      a: { targets: [{ alias: "b" }] },
      b: { groups: [{ targets: one }, { targets: [{ alias: "c" }] }] },
      c: { targets: [...one, { alias: "a" }] },
      self: { targets: [{ alias: "self" }] },
      tail: { targets: [{ alias: "a" }] },
    };
    expect(await refused(options)).toEqual([
      {
        path: "c.targets.1.alias",
        message: "The alias leads to itself: a -> b -> c -> a",
        received: "'a'",
        fix: "take one of these targets out",
      },
      {
        path: "self.targets.0.alias",
        message: "The alias leads to itself: self -> self",
        received: "'self'",
        fix: "take one of these targets out",
      },
    ]);
  });

  test("that leads to one alias by two ways is no circle", async () => {
    const options = {
      a: { targets: [{ alias: "b" }, { alias: "c" }] },
      b: { targets: [{ alias: "c" }] },
      c: { targets: one },
    };
    await accepted(options, knowing(known));
  });

  test.each([
    ["chaep", "Alias 'chaep' not found for alias 'fast'", 'did you mean "cheap"?'],
    ["small", "Alias 'small' not found for alias 'fast'", 'write "cheap", of which it is a synonym'],
    [
      "constructor",
      "Alias 'constructor' not found for alias 'fast'",
      'for a model of that name write { model: "constructor" }',
    ],
    ["gpt-*", "Alias 'gpt-*' has a * and cannot be a target", "give its targets instead"],
    ["other", "Alias 'other' is of the pool 'there' and 'fast' of 'default'", "give both the same pool"],
  ])("is refused as %s", async (to, message, fix) => {
    const options = {
      fast: { groups: [{ targets: one }, { targets: [{ alias: to }] }] },
      cheap: { targets: one, synonyms: ["small"] },
      "gpt-*": { targets: one },
      other: { targets: one, pool: "there" },
    };
    const path = "fast.groups.1.targets.0.alias";
    expect(await refused(options)).toEqual([{ path, message, received: `'${to}'`, fix }]);
  });
});

describe("where the config tells all targets", () => {
  const path = "fast.targets.0";

  test.each([
    [
      { model: "qwen3-8b", provider: "locall" },
      "provider",
      "Provider 'locall' not found for alias 'fast'",
      'did you mean "local"?',
    ],
    [
      { model: "x", provider: "zzz" },
      "provider",
      "Provider 'zzz' not found for alias 'fast'",
      "known: local, gpu-1, gpu-2, openrouter, cloud",
    ],
    [
      { model: "qwen3-9b", provider: "local" },
      "model",
      "Model 'qwen3-9b' is not in the list of provider 'local'",
      'did you mean "qwen3-8b"?',
    ],
    [
      { model: "qwen3-32b", provider: "gpu-2" },
      "model",
      "Model 'qwen3-32b' is not in the list of provider 'gpu-2'",
      'did you mean "qwen3-8b"?',
    ],
    [
      { model: "qwen3-8b", provider: "loc", enabled: false },
      "provider",
      "Provider 'loc' not found for alias 'fast'",
      'did you mean "local"?',
    ],
  ])("a target that none of them can be is refused: %j", async (target, key, message, fix) => {
    const received = `'${target[key as "model" | "provider"]}'`;
    expect(await refused({ fast: { targets: [target] } })).toEqual([
      { path: `${path}.${key}`, message, received, fix },
    ]);
  });

  test("a model that no target lists is refused, with a word on the alias of that name", async () => {
    const some = known.slice(0, 2);
    expect(
      await refused({ fast: { targets: [{ model: "slow" }] }, slow: { targets: [{ model: "qwen" }] } }, knowing(some)),
    ).toEqual([
      {
        path: `${path}.model`,
        message: "Model 'slow' is not in the list of any target",
        received: "'slow'",
        fix: 'for the alias of that name write { alias: "slow" }',
      },
      {
        path: "slow.targets.0.model",
        message: "Model 'qwen' is not in the list of any target",
        received: "'qwen'",
        fix: "known: qwen3-8b, qwen3-32b",
      },
    ]);
  });

  test("a model with a star may be any, and its provider may not", async () => {
    await accepted({ "q-*": { targets: [{ model: "q-*", provider: "local" }] } }, knowing(known));
    expect(await refused({ "q-*": { targets: [{ model: "q-*", provider: "lcal" }] } })).toMatchObject([
      { path: "q-*.targets.0.provider" },
    ]);
  });

  test("all that is wrong is told at once", async () => {
    const options = {
      a: { targets: [{ alias: "nowhere" }, { model: "qwen3-8b", provider: "nobody" }] },
      b: { targets: [{ alias: "b" }, { model: "none", provider: "gpu-1" }] },
    };
    expect(await refused(options)).toHaveLength(4);
  });

  test("a provider may be the id of a target, and the id its url", async () => {
    const url = "http://127.0.0.1:9";
    await accepted({ fast: { targets: [{ model: "x", provider: url }] } }, staticTargets({ targets: [url] }));
  });

  test("what is switched off is taken, with one warning for alias and provider", async () => {
    const log = keptLog();
    const targets = [
      { model: "qwen3-8b", provider: "gpu-2" },
      { model: "any", provider: "openrouter" },
      { model: "other", provider: "openrouter" },
      { model: "qwen3-8b", provider: "gpu-2", enabled: false },
      { model: "qwen3-8b" },
    ];
    const plugins = [first(), knowing(known), alias({ fast: { targets } })];
    const proxy = await createProxy({ plugins }, { log: log.log });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    await proxy.explain({ path: "/" });
    await proxy.reload({ plugins });
    expect(log.lines.filter((line) => line.startsWith("warn"))).toEqual([
      "warn: alias 'fast': its provider 'gpu-2' is switched off",
      "warn: alias 'fast': its provider 'openrouter' is switched off",
    ]);
  });
});

describe("where something finds targets at run time", () => {
  const wrong: AliasOptions = { fast: { targets: [{ model: "nothing", provider: "nobody" }] } };

  test("any provider and model is taken", async () => {
    await accepted(wrong);
    await accepted(wrong, knowing(undefined));
    await accepted(wrong, knowing(undefined), knowing(known, "default", "second"));
    await accepted(wrong, knowing(known), knowing(undefined, "default", "second"));
  });

  test("other pools are checked all the same, each by what is known of it", async () => {
    const there = { fast: { ...wrong["fast"], pool: "there" } };
    await accepted(there, knowing(known));
    const problems = await refused(there, knowing(undefined), knowing(known, "there", "second"));
    expect(problems).toMatchObject([{ path: "fast.targets.0.provider" }]);
  });

  test("two sources of one pool are known together", async () => {
    const [a, ...rest] = known;
    await accepted({ fast: { targets: one } }, knowing(rest), knowing(a && [a], "default", "second"));
  });
});
