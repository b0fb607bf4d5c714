import { definePlugin, defineProxy, defineSelector, type Pool } from "plugboard";
import * as v from "valibot";
import { expect, test, vi } from "vitest";
import { memUpstream } from "./mem-upstream.ts";
import { openProxy } from "./open-proxy.ts";

test("a factory only captures: nothing runs until a proxy is made", () => {
  const setup = vi.fn<() => void>();
  const validate = vi.fn<(value: unknown) => unknown>();
  const schema = { "~standard": { version: 1, vendor: "none", validate } } as const;
  const plugin = definePlugin({ name: "p", options: schema, setup })({ any: "thing" });
  expect(plugin.name).toBe("p");
  expect(setup).not.toHaveBeenCalled();
  expect(validate).not.toHaveBeenCalled();
});

test("one plugin in two proxies is set up twice", async () => {
  const setup = vi.fn<() => void>();
  const plugins = [definePlugin({ name: "p", setup })()];
  await openProxy({ plugins });
  await openProxy({ plugins });
  expect(setup).toHaveBeenCalledTimes(2);
});

test("a selector may be only a pick", async () => {
  const last = defineSelector({ name: "last", pick: (targets) => targets.at(-1) });
  const mem = memUpstream(undefined, [{ url: "mem://a" }, { url: "mem://b" }]);
  const proxy = await openProxy({ plugins: [mem, last()] });
  expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("mem://b");
});

test("a selector with options is made anew for each route, with its pool and the options as the schema made them", async () => {
  const made: [string, number][] = [];
  const scored = defineSelector({
    name: "scored",
    options: v.strictObject({ factor: v.optional(v.number(), 7) }),
    create(pool: Pool, { factor }) {
      made.push([pool.name, factor]);
      return { pick: ([first]) => first };
    },
  });
  await openProxy({ plugins: [scored()] });
  await openProxy({ plugins: [scored({ factor: 2 })] });
  expect(made).toEqual([
    ["default", 7],
    ["default", 2],
  ]);
});

test("defineProxy gives back what it was given", () => {
  const config = { plugins: [] };
  const make = (): typeof config => config;
  expect(defineProxy(config)).toBe(config);
  expect(defineProxy(make)).toBe(make);
});
