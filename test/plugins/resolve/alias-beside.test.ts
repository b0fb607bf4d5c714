import { definePlugin } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { models } from "plugboard/plugins/stats/models";
import { describe, expect, test } from "vitest";
import { first, open } from "./stage.ts";

const fast: AliasOptions = { fast: { targets: [{ model: "qwen3-8b" }] } };
const entry = { targets: [{ model: "m" }] };

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
      found: true,
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
