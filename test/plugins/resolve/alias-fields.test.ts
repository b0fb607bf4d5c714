import { definePlugin, type Plugin } from "plugboard";
import { alias, type AliasEntry, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { inOrder } from "plugboard/plugins/select/in-order";
import { testResolver } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { first, open, type Stage, type StageOptions } from "./stage.ts";

const targets = { a: { models: ["x"] }, b: { models: ["y"] }, any: { labels: { provider: "any" } } };

async function stage(
  options: AliasOptions,
  plugins: readonly Plugin[] = [],
  more: Partial<StageOptions> = {},
): Promise<Stage> {
  return open({ targets, ...more, plugins: [first(), ...plugins, alias(options)] });
}

async function sent(entry: Omit<AliasEntry, "targets">, body: string): Promise<string | undefined> {
  const { ask, seen } = await stage({ fast: { targets: [{ model: "x", provider: "a" }], ...entry } });
  expect(await ask({ body })).toMatchObject({ status: 200 });
  return seen[0]?.text;
}

describe("an alias whose body is edited, and that adds nothing", () => {
  const create = (): Plugin => alias({ fast: { targets: [{ model: "qwen3-8b" }], set: {} } });
  testResolver({ test, create, name: "fast", upstreamModel: "qwen3-8b" });
});

describe("defaults", () => {
  test("fill in what the request leaves out", async () => {
    const defaults = { temperature: 0.2, stop: ["a"] };
    expect(await sent({ defaults }, '{"model":"fast"}')).toBe('{"model":"x","temperature":0.2,"stop":["a"]}');
  });

  test("give way to what it says, null too", async () => {
    const defaults = { temperature: 0.2, top_p: 1 };
    const body = '{"model": "fast", "temperature" : 1.0, "top_p":null}';
    expect(await sent({ defaults }, body)).toBe('{"model": "x", "temperature" : 1.0, "top_p":null}');
  });
});

describe("set", () => {
  test("counts for more than the request, and leaves the other bytes as they are", async () => {
    const body = '{ "user" : 12345678901234567890, "max_tokens": 9 ,"model":"fast"}';
    expect(await sent({ set: { max_tokens: 5 } }, body)).toBe(
      '{ "user" : 12345678901234567890, "max_tokens": 5 ,"model":"x"}',
    );
  });

  test("counts for more than a default of the same name", async () => {
    expect(JSON.parse((await sent({ set: { a: 1 }, defaults: { a: 2, b: 2 } }, '{"model":"fast"}')) ?? "")).toEqual({
      model: "x",
      a: 1,
      b: 2,
    });
  });
});

test("fields are put into each attempt anew", async () => {
  const options: AliasOptions = {
    fast: { targets: [{ model: "x", provider: "a" }, { model: "y" }], set: { n: 1 }, retry: { nonIdempotent: true } },
  };
  const { ask, seen } = await open({ targets, plugins: [inOrder(), alias(options)], broken: ["a"] });
  expect(await ask("fast")).toMatchObject({ target: "b" });
  expect(seen.map(({ text }) => text)).toEqual(['{"model":"x","n":1}', '{"model":"y","n":1}']);
});

test("fields go with a model that is another for each request", async () => {
  const options = { "my-*": { targets: [{ model: "*", provider: "any" }], set: { n: 1 }, defaults: { m: 2 } } };
  const { ask, seen } = await stage(options);
  await ask("my-one");
  await ask("my-two");
  expect(seen.map(({ text }) => text)).toEqual(['{"model":"one","n":1,"m":2}', '{"model":"two","n":1,"m":2}']);
});

test("the fields of an alias among the targets fill in where those of the alias asked for say nothing", async () => {
  const options: AliasOptions = {
    outer: { targets: [{ alias: "inner" }], set: { a: 1 }, defaults: { b: 1, e: 1 } },
    inner: { targets: [{ model: "x", provider: "a" }], set: { a: 2, b: 2, c: 2 }, defaults: { a: 3, d: 3, e: 3 } },
  };
  const { ask, seen } = await stage(options);
  await ask("outer");
  await ask("inner");
  await ask({ body: '{"model":"outer","a":0,"b":0,"c":0,"d":0,"e":0}' });
  expect(seen.map(({ text }) => JSON.parse(text) as object)).toEqual([
    { model: "x", a: 1, b: 1, c: 2, d: 3, e: 1 },
    { model: "x", a: 2, b: 2, c: 2, d: 3, e: 3 },
    { model: "x", a: 1, b: 0, c: 2, d: 0, e: 0 },
  ]);
});

describe("beside other plugins", () => {
  const fast = { fast: { targets: [{ model: "x", provider: "a" }], set: { n: 1 } } };
  const editing = (name: string): Plugin =>
    definePlugin({
      name,
      setup: () => ({
        upstreamRequest(x) {
          x.upstream.body = Buffer.from('{"n":2,"model":"fast"}');
        },
      }),
    })();

  test("what an alias says counts for more than what is said of a provider, whichever stands first", async () => {
    const { ask, seen } = await open({ targets, plugins: [first(), alias(fast), editing("providers")] });
    await ask("fast");
    expect(seen[0]?.text).toBe('{"n":1,"model":"x"}');
  });

  test("a model from elsewhere is no reason to put one into a body without", async () => {
    const setting = definePlugin({ name: "setting", setup: () => ({ request: (x) => void (x.model = "fast") }) });
    const curious = definePlugin({ name: "curious", setup: (proxy) => proxy.needs({ body: 1_000 }) });
    const { ask, seen } = await stage(fast, [setting(), curious()]);
    await ask({ body: '{"a":1}' });
    await ask({ body: "not json", headers: { "content-type": "text/plain" } });
    await ask({ body: "", method: "GET" });
    expect(seen.map(({ text }) => text)).toEqual(['{"a":1,"n":1}', "not json", ""]);
  });

  test("explain tells what was put in", async () => {
    const { proxy } = await stage({ fast: { ...fast.fast, defaults: { n: 2, m: 2 } } });
    const { steps, upstream } = await proxy.explain({ body: '{"model":"fast"}' });
    expect(steps.filter(({ phase }) => phase === "upstreamRequest").map(({ note }) => note)).toEqual([
      "alias: 'fast' in the body becomes 'x'",
      "alias: n set in the body",
      "alias: m filled in where the body says nothing",
    ]);
    expect(upstream?.body).toBe('{"model":"x","n":1,"m":2}');
  });
});
