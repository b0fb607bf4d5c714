import { definePlugin, defineSelector, isPlugin, type Plugin, type Selector } from "plugboard";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const targets = ["a", "b", "c"].map((id) => ({ id, url: `mem://${id}` }));
const mem = memUpstream(sayOk, targets);
const selector = v.custom<Plugin>(isPlugin, "Expected a selector");

/** Turns what is inside of it round. */
const last = defineSelector({
  name: "last",
  options: v.strictObject({ inner: selector, more: v.optional(v.array(selector)) }),
  create(_pool, { inner }, tools): Selector {
    const within = tools.inner(inner);
    return { pick: (list, x) => within.pick(Object.freeze(list.toReversed()), x) };
  },
});
const first = defineSelector({
  name: "first",
  options: v.strictObject({ skip: v.optional(v.number()) }),
  create: (_pool, { skip = 0 }) => ({ pick: (list) => list[skip] }),
});
const target = async (proxy: { fetch(request: Request): Promise<Response> }): Promise<string> =>
  (await proxy.fetch(new Request("http://proxy/"))).text();

test("a selector decides through the one in its options", async () => {
  const proxy = await openProxy({ plugins: [mem, last({ inner: first() })] });
  expect(await target(proxy)).toBe("c");
});

test("to any depth", async () => {
  const proxy = await openProxy({ plugins: [mem, last({ inner: last({ inner: first({ skip: 1 }) }) })] });
  expect(await target(proxy)).toBe("b");
});

test("what is inside is not seen by its name, and does not clash with one of the config", async () => {
  const proxy = await openProxy({ plugins: [mem, first({ skip: 1 }), last({ inner: first() })] });
  expect(await target(proxy)).toBe("b");
  const hidden = openProxy({
    plugins: [mem, last({ inner: roundRobin() }), quickPlugin("asks", (p) => void p.use("selector", "round-robin"))],
  });
  await expect(hidden).rejects.toThrow('wants selector "round-robin", which no plugin of this config provides');
});

test("its options are checked with the others', under the path it stands at", async () => {
  const wrong = openProxy({
    plugins: [
      mem,
      last({ inner: first({ skip: "x" as never }), more: [first(), first({ skp: 1 } as never)] }),
      first({ skip: {} as never }),
    ],
  });
  await expect(wrong).rejects.toThrow(
    /plugins\[1\] last: inner\.skip: .*\n.*plugins\[1\] last: more\.1\.skp: unknown option.*\n.*plugins\[2\] first: skip/,
  );
});

test("one that provides no selector is refused where it stands", async () => {
  const wrong = openProxy({ plugins: [mem, last({ inner: hooks({ end: () => undefined }, "watcher") })] });
  await expect(wrong).rejects.toThrow("was given plugin watcher, which provides no selector");
});

test("its hooks run, and are set up before those of the plugin around it", async () => {
  const order: string[] = [];
  const inner = definePlugin({
    name: "inner",
    setup(proxy) {
      order.push("inner set up");
      proxy.provide("selector", "inner", { create: () => ({ pick: ([one]) => one }) });
      return { request: () => void order.push("inner hook") };
    },
  });
  const outer = definePlugin({
    name: "outer",
    options: v.strictObject({ inner: selector }),
    setup(proxy, options) {
      order.push("outer set up");
      proxy.provide("selector", "outer", proxy.inner("selector", options.inner));
    },
  });
  const proxy = await openProxy({ plugins: [mem, outer({ inner: inner() })] });
  await target(proxy);
  expect(order).toEqual(["inner set up", "outer set up", "inner hook"]);
});

describe("what is kept over reloads", () => {
  const counting = defineSelector({
    name: "counting",
    create(_pool, _options, { keep }) {
      const count = keep("count", () => ({ picks: 0 }));
      return { pick: (list) => list[count.picks++ % list.length] };
    },
  });

  test("is found again by a plugin in the options of another, and is its own", async () => {
    const config = { plugins: [mem, last({ inner: counting(), more: [counting()] }), counting()] };
    const proxy = await openProxy(config);
    const before = [await target(proxy), await target(proxy)];
    await proxy.reload(config);
    expect([...before, await target(proxy)]).toEqual(["c", "b", "a"]);
  });

  test("is not moved on by explain", async () => {
    const proxy = await openProxy({ plugins: [mem, counting()] });
    await proxy.explain({ draws: 5 });
    expect([await target(proxy), await target(proxy)]).toEqual(["a", "b"]);
    expect((await proxy.explain()).attempts).toEqual(["c", "b", "a"]);
  });
});
