import { defineProxy, definePlugin, env, type ProxyConfig } from "plugboard";
import { afterEach, expect, test, vi } from "vitest";
import { describeConfig } from "../../../core/config/describe.ts";
import * as v from "valibot";

const any = definePlugin({ name: "any", options: v.looseObject({}), multiple: true, setup: () => {} });

afterEach(() => void vi.unstubAllEnvs());

function describeOptions(options: Record<string, unknown>): unknown {
  const { plugins } = describeConfig({ plugins: [any(options)] }) as { plugins: { options: unknown }[] };
  return plugins[0]?.options;
}

test("plugins are their names and options, also those in the options of others", () => {
  const config = { port: 0, limits: { body: 10 }, plugins: [any({ inner: any({ path: "/x" }) }), any(), false] };
  expect(describeConfig(config as ProxyConfig)).toEqual({
    port: 0,
    limits: { body: 10 },
    plugins: [
      { plugin: "any", options: { inner: { plugin: "any", options: { path: "/x" } } } },
      { plugin: "any" },
      false,
    ],
  });
});

test("all of it can be written as JSON", () => {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  const options = { fn: () => 1, big: 1n, most: Infinity, when: new Date(0), like: /^a/, nothing: undefined, loop };
  const shown = describeOptions(options);
  expect(JSON.parse(JSON.stringify(shown))).toMatchObject({
    fn: "[function fn]",
    big: "1",
    most: "Infinity",
    when: "[Date]",
    like: "/^a/",
  });
});

test.each([
  ["under the name of a secret", { apiKey: "canary-1" }],
  ["below such a name", { keys: { alice: { key: "canary-1", models: ["canary-1"] } } }],
  ["in a header of any name", { headers: { "x-whatever": "canary-1" } }],
  ["in the credentials of a URL", { url: "redis://user:canary-1@127.0.0.1" }],
  ["in the query of a URL", { url: "http://127.0.0.1/?k=canary-1" }],
  ["by its look", { note: "sk-canary-1234567890" }],
  ["as the name of a field", { clients: { "sk-canary-1234567890": "alice" } }],
])("a secret is not shown: %s", (_where, options) => {
  expect(JSON.stringify(describeOptions(options))).not.toContain("canary");
});

test("what came from a variable named like a secret is not shown, wherever it stands", () => {
  vi.stubEnv("PROVIDER_KEY", "canary-77");
  vi.stubEnv("REGION", "europe-1");
  const options = { note: `Bearer ${env("PROVIDER_KEY")}`, region: env("REGION") };
  expect(describeOptions(options)).toEqual({ note: "Bearer ***", region: "europe-1" });
});

test("numbers stay, also under the name of a secret: they are limits", () => {
  expect(describeOptions({ tokens: 1000 })).toEqual({ tokens: 1000 });
});

test("a plugin asks for the config of its generation", async () => {
  let seen: unknown;
  const asks = definePlugin({
    name: "asks",
    setup(proxy) {
      proxy.onReady(() => void (seen = proxy.config()));
    },
  });
  const { createProxy } = await import("plugboard");
  const proxy = await createProxy(defineProxy({ plugins: [asks()], limits: { body: 1 } }));
  expect(seen).toEqual({ plugins: [{ plugin: "asks" }], limits: { body: 1 } });
  await proxy.close();
});
