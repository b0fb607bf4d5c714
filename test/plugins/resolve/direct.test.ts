import { alias } from "plugboard/plugins/resolve/alias";
import { direct } from "plugboard/plugins/resolve/direct";
import { model } from "plugboard/plugins/resolve/model";
import { providers } from "plugboard/plugins/resolve/providers";
import { testPlugin } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { openStage, openUpstream } from "./_provider-stage.ts";
import { down, first, open, type StageOptions } from "./stage.ts";

testPlugin({
  test,
  create: () => direct(),
  badOptions: [
    { options: { pool: "" }, says: "pool: Expected a word" },
    { options: { prefix: "" }, says: "prefix: Expected 1 to 100" },
    { options: { prefix: "a/b" }, says: "prefix: Expected 1 to 100" },
    { options: { prefx: "raw" }, says: 'did you mean "prefix"' },
  ],
});

const targets: StageOptions["targets"] = {
  a: { models: ["m"], labels: { provider: "p" } },
  b: { models: ["n"], labels: { provider: "p" } },
  c: { models: ["m"] },
  off: { models: ["m"], enabled: false },
};
const plugins = [first(), direct()];

describe("a name of the form direct/provider/model", () => {
  test.each([
    ["a provider by its label", "direct/p/m", "a", "m"],
    ["a target by its id", "direct/c/m", "c", "m"],
    ["one of several targets of a provider by its id", "direct/b/m", "b", "m"],
    ["a model that is not listed", "direct/c/secret-preview", "c", "secret-preview"],
    ["a model with slashes in it", "direct/p/org/Qwen3/8b", "a", "org/Qwen3/8b"],
    ["a model that is called like another provider", "direct/p/c", "a", "c"],
    ["a model with a slash at its end", "direct/p/m/", "a", "m/"],
    ["a model with the prefix in it", "direct/p/direct/c/m", "a", "direct/c/m"],
  ])("reaches %s", async (_, name, target, asked) => {
    const { ask } = await open({ targets, plugins });
    expect(await ask(name)).toMatchObject({ status: 200, target, model: asked });
  });

  test("keeps every byte of the body but the name", async () => {
    const { ask, seen } = await open({ targets, plugins });
    await ask({ body: ' {"a":1.0, "mod\\u0065l" : "direct\\/c\\/x" ,"b":12345678901234567890}' });
    expect(seen[0]?.text).toBe(' {"a":1.0, "mod\\u0065l" : "x" ,"b":12345678901234567890}');
  });

  test("tries the other targets of the provider only", async () => {
    const { ask, seen } = await open({ targets, plugins, broken: ["a"], config: { retry: { nonIdempotent: true } } });
    expect(await ask("direct/p/m")).toMatchObject({ status: 200, target: "b", model: "m" });
    expect(seen.map(({ target }) => target)).toEqual(["a", "b"]);
  });

  test.each(["direct/", "direct/x", "direct/nobody", "direct//m", "direct/p/", "direct//"])(
    "is refused without its parts: %s",
    async (name) => {
      const { ask, seen } = await open({ targets, plugins });
      const answer = await ask(name);
      expect(answer).toMatchObject({ status: 400, code: "invalid_model" });
      expect(answer.message).toContain(`'${name}'`);
      expect(answer.message).toContain("'direct/<provider>/<model>'");
      expect(seen).toEqual([]);
    },
  );

  test.each(["nobody", "P", "p ", "__proto__", "constructor", "toString"])(
    "is a 404 for the provider %j, which is unknown",
    async (provider) => {
      const { ask } = await open({ targets, plugins });
      const message = `Provider '${provider}' not found.`;
      expect(await ask(`direct/${provider}/m`)).toMatchObject({ status: 404, code: "model_not_found", message });
    },
  );

  test("is a 404 for a provider that is switched off", async () => {
    const { ask } = await open({ targets, plugins });
    const message = "Provider 'off' is disabled.";
    expect(await ask("direct/off/m")).toMatchObject({ status: 404, code: "model_disabled", message });
  });

  test("is a 503 for a provider that is down", async () => {
    const { ask } = await open({ targets, plugins: [...plugins, down("c")] });
    expect(await ask("direct/c/m")).toMatchObject({ status: 503, code: "no_targets" });
  });
});

describe("names of another form", () => {
  test.each(["direct", "Direct/p/m", "directory/p/m", " direct/p/m", "p/m", "m"])(
    "%j is not looked at",
    async (name) => {
      const { ask } = await open({ targets, plugins });
      expect(await ask(name)).toMatchObject({
        status: 404,
        code: "model_not_found",
        message: `Model '${name}' not found.`,
      });
    },
  );

  test("go to the plugins behind, which are asked later wherever they stand", async () => {
    const entries = { "direct/p/m": { targets: [{ model: "n" }] }, fast: { targets: [{ model: "n" }] } };
    const { ask, proxy } = await open({ targets, plugins: [first(), alias(entries), model(), direct()] });
    expect(await ask("fast")).toMatchObject({ target: "b", model: "n" });
    expect(await ask("m")).toMatchObject({ target: "a", model: "m" });
    expect(await ask("direct/p/m")).toMatchObject({ target: "a", model: "m" });
    expect((await proxy.explain()).hooks.resolve).toEqual(["direct", "alias", "model"]);
  });
});

test("takes another prefix and another pool", async () => {
  const { url, seen } = await openUpstream();
  const { ask } = await openStage([
    providers({ p: { url, pool: "raw" }, q: { url } }),
    direct({ pool: "raw", prefix: "raw" }),
  ]);
  expect((await ask("raw/p/m")).status).toBe(200);
  expect((await ask("raw/q/m")).code).toBe("model_not_found");
  expect((await ask("direct/p/m")).code).toBe("model_not_found");
  expect(seen.map(({ text }) => text)).toEqual(['{"model":"m"}']);
});

test("has one route for each provider, whatever models clients make up", async () => {
  const { proxy } = await open({ targets, plugins });
  const names = new Set<string | undefined>();
  for (let i = 0; i < 50; i++) {
    const { route } = await proxy.explain({ body: JSON.stringify({ model: `direct/p/made-up-${i}` }) });
    names.add(route?.name);
  }
  expect([...names]).toEqual(["direct/p"]);
});

test("explain tells what the name was taken for, and what becomes of it", async () => {
  const { proxy } = await open({ targets, plugins });
  const { steps, upstream, candidates } = await proxy.explain({ body: '{"model":"direct/c/x"}' });
  expect(steps.map(({ note }) => note)).toEqual([
    "direct: 'direct/c/x' is the model 'x' of the provider 'c'",
    "direct: 'direct/c/x' in the body becomes 'x'",
  ]);
  expect(upstream?.body).toBe('{"model":"x"}');
  expect(JSON.stringify(candidates)).toContain("is not of the provider 'c'");
});

test("leaves alone what other plugins resolve", async () => {
  const { proxy } = await open({ targets, plugins: [first(), direct(), alias()] });
  const { steps, upstream } = await proxy.explain({ body: '{"model":"p/m"}' });
  expect(upstream?.body).toBe('{"model":"m"}');
  expect(steps.map(({ note }) => note).join()).not.toContain("direct");
});

test("the extra fields of a provider's model are those of the model behind the prefix", async () => {
  const { url, seen } = await openUpstream();
  const { ask, send } = await openStage([
    direct(),
    providers({ p: { url, extraBody: { a: 1 }, models: { m: { extraBody: { b: 2 } } } } }),
  ]);
  await ask("direct/p/m");
  await ask("direct/p/other");
  const body = '{"a":"longer than its place will be","model":"direct/p/m"}';
  await send("/v1/chat/completions", { body, headers: { "content-type": "application/json" } });
  expect(seen.map(({ text }) => text)).toEqual([
    '{"model":"m","a":1,"b":2}',
    '{"model":"other","a":1}',
    '{"a":1,"model":"m","b":2}',
  ]);
});
