import { definePlugin } from "plugboard";
import * as v from "valibot";
import { expect, test } from "vitest";
import { problemsOf } from "../config/config-error-of.ts";
import { memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";

test("what plugins find wrong is told together, with path, value and fix", async () => {
  const picky = (name: string, path: string): ReturnType<typeof quickPlugin> =>
    quickPlugin(name, (proxy) => {
      proxy.problem({ path, message: "is not there", received: { a: 1 }, fix: "add it" });
    });
  const found = await problemsOf(openProxy({ plugins: [picky("one", "x.0"), picky("two", "")] }));
  expect(found).toEqual([
    { plugin: "plugins[0] one", index: 0, path: "x.0", message: "is not there", received: "{ a: 1 }", fix: "add it" },
    { plugin: "plugins[1] two", index: 1, path: "", message: "is not there", received: "{ a: 1 }", fix: "add it" },
  ]);
});

test("onLink runs when all services are there, and before anything is started", async () => {
  const order: string[] = [];
  const checking = quickPlugin("checking", (proxy) => {
    const discoveries = proxy.useAll("discovery");
    proxy.onLink(() => void order.push(`linked: ${[...discoveries.value.keys()].join()}`));
    proxy.onReady(() => void order.push("ready"));
  });
  const starting = quickPlugin("starting", (proxy) =>
    proxy.provide("discovery", "late", { start: () => void order.push("discovery") }),
  );
  await openProxy({ plugins: [checking, memUpstream(), starting] });
  expect(order).toEqual(["linked: mem,late", "discovery", "ready"]);
});

test("a problem found in onLink refuses the reload, and the running config stays", async () => {
  const proxy = await openProxy({ plugins: [memUpstream()] });
  const picky = quickPlugin("picky", (setup) => setup.onLink(() => setup.problem({ path: "", message: "no" })));
  await expect(proxy.reload({ plugins: [picky] })).rejects.toThrow("plugins[0] picky: no");
  expect(proxy.status()).toMatchObject({ generation: 1, reloadError: "plugins[0] picky: no" });
});

test("a plugin in the options of another is told of with the whole path", async () => {
  const inner = definePlugin({
    name: "inner",
    setup: (proxy) => proxy.problem({ path: "deep", message: "is wrong" }),
  });
  const outer = definePlugin({ name: "outer", options: v.strictObject({ of: v.array(v.any()) }), setup: () => {} });
  const found = await problemsOf(openProxy({ plugins: [outer({ of: [inner()] })] }));
  expect(found).toMatchObject([{ plugin: "plugins[0] outer", path: "of.0.deep", message: "is wrong" }]);
});
