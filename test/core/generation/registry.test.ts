import { createProxy, defineSelector, definePlugin, type Plugin, type RouteOptions, type Slot } from "plugboard";
import { alias } from "plugboard/plugins/resolve/alias";
import { describe, expect, test } from "vitest";
import { problemsOf } from "../config/config-error-of.ts";
import { memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const cheapest = defineSelector({ name: "cheapest", pick: ([first]) => first });
const route = (name: string, options: Partial<RouteOptions>): Plugin =>
  quickPlugin(name, (proxy) => void proxy.createRoute({ name, ...options }));
const answers = (name: string, path: string, method: "GET" | "POST" = "GET"): Plugin =>
  quickPlugin(name, (proxy) => proxy.route(method, path, () => name));

describe("a selector that a route names", () => {
  test("and nobody provides is refused by the plugin that made the route, with a guess", async () => {
    expect(await problemsOf(createProxy({ plugins: [cheapest(), route("r", { selector: "cheepest" })] }))).toEqual([
      {
        plugin: "plugins[1] r",
        path: "",
        message: 'wants selector "cheepest", which no plugin of this config provides',
        fix: 'did you mean "cheapest"?',
        index: 1,
      },
    ]);
  });

  test("in an alias is refused all the same", async () => {
    const fast = alias({ fast: { targets: [{ model: "m" }], selector: "cheepest" } });
    expect(await problemsOf(createProxy({ plugins: [fast, cheapest()] }))).toMatchObject([
      { plugin: "plugins[0] alias", fix: 'did you mean "cheapest"?' },
    ]);
  });

  test("may come from a plugin behind the one that names it", async () => {
    const proxy = await createProxy({ plugins: [route("r", { selector: "cheapest" }), cheapest()] });
    await proxy.close();
  });
});

test.each([
  ["the first selector of the config", [defineSelector({ name: "a", pick: () => undefined })(), cheapest()], "a"],
  ["turns, when the config has none", [], "turns"],
])("a route that names no selector gets %s", async (_what, plugins, name) => {
  const proxy = await openProxy({ plugins: [memUpstream(), ...plugins] });
  expect((await proxy.explain()).route?.selector).toBe(name);
});

test("each route has a selector of its own, made for its pool", async () => {
  const pools: string[] = [];
  const counted = defineSelector({
    name: "counted",
    create(pool) {
      pools.push(pool.name);
      return { pick: ([first]) => first };
    },
  });
  await openProxy({ plugins: [counted(), route("a", { pool: "x" }), route("b", { pool: "x" })] });
  expect(pools.toSorted()).toEqual(["default", "x", "x"]);
});

test("a route made while requests run is linked at once", async () => {
  const late = quickPlugin("late", (proxy) => ({ resolve: () => proxy.createRoute({ name: "made late" }) }));
  const proxy = await openProxy({ plugins: [memUpstream(), cheapest(), late] });
  expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("mem://a");
  expect((await proxy.explain()).route).toEqual({ name: "made late", pool: "default", selector: "cheapest" });
});

describe("control routes", () => {
  test("two plugins on one path are refused, both named", async () => {
    expect(await problemsOf(createProxy({ plugins: [answers("a", "/stats"), answers("b", "/stats")] }))).toEqual([
      {
        plugin: "plugins[1] b",
        path: "",
        message: "answers GET /stats, which plugin a answers already",
        fix: "give one of them another path",
        index: 1,
      },
    ]);
  });

  test("one path under two methods is two routes", async () => {
    const proxy = await openProxy({ plugins: [answers("a", "/x"), answers("b", "/x", "POST")] });
    expect(await (await proxy.fetch(new Request("http://proxy/x"))).text()).toBe("a");
    expect(await (await proxy.fetch(new Request("http://proxy/x", { method: "POST" }))).text()).toBe("b");
  });

  test("go before what is forwarded, and only for their method", async () => {
    const proxy = await openProxy({ plugins: [memUpstream(), answers("a", "/x")] });
    expect(await (await proxy.fetch(new Request("http://proxy/x"))).text()).toBe("a");
    expect(await (await proxy.fetch(new Request("http://proxy/x", { method: "PUT" }))).text()).toBe("mem://a");
  });
});

describe("a slot", () => {
  const slots: Slot<number>[] = [];
  const seen: unknown[] = [];
  const writer = definePlugin({
    name: "writer",
    setup(proxy) {
      const shared = proxy.slot<number>("usage");
      const own = proxy.slot<string>("own");
      slots.push(shared);
      return {
        request(x) {
          shared.set(x, 42);
          own.set(x, x.path);
        },
      };
    },
  });
  const reader = quickPlugin("reader", (proxy) => {
    const shared = proxy.slot<number>("usage");
    const unset = proxy.slot<number>("never set");
    const other = proxy.slot<string>("own");
    return { end: (x) => void seen.push([shared.get(x), unset.get(x), other.get(x)]) };
  });

  test("is shared by name, and each exchange has its own", async () => {
    const silent = hooks({ end: (x) => void seen.push(slots[0]?.get(x)) });
    const proxy = await openProxy({ plugins: [reader, writer(), silent] });
    await (await proxy.fetch(new Request("http://proxy/1"))).text();
    await (await proxy.fetch(new Request("http://proxy/2"))).text();
    expect(seen).toEqual([[42, undefined, "/1"], 42, [42, undefined, "/2"], 42]);
  });
});

test("pools are made by being asked for, once per name", async () => {
  const asked = quickPlugin("asked", (proxy) => {
    expect(proxy.pool()).toBe(proxy.pool("default"));
    expect(proxy.pool("other")).not.toBe(proxy.pool());
  });
  const proxy = await openProxy({ plugins: [asked] });
  expect(proxy.pools().map(({ name }) => name)).toEqual(["default", "other"]);
});
