import { createServer } from "node:http";
import { describe, expect, test } from "vitest";
import * as v from "valibot";
import { definePlugin, type Plugin } from "plugboard";
import { servicesOf, testPlugin, type BadOptions } from "plugboard/testing";
import { failures } from "./failures.ts";

const fails = (create: () => Plugin, badOptions?: readonly BadOptions[], others?: () => readonly Plugin[]) =>
  failures((run) => testPlugin({ test: run, create, badOptions, others }));

const schema = v.strictObject({ names: v.optional(v.array(v.string()), []) });
const healthy = definePlugin({
  name: "healthy",
  options: schema,
  setup: () => ({ request: () => ({ status: 204 }) }),
});

describe("the suite passes", () => {
  test("a plugin with options", async () => {
    expect(await fails(() => healthy({ names: ["a"] }), [{ options: { names: [1] }, says: "names.0: " }])).toEqual([]);
  });

  test("a plugin without options", async () => {
    expect(await fails(definePlugin({ name: "plain", setup: () => undefined }))).toEqual([]);
  });

  test("a plugin that opens something in onReady and closes it in onClose", async () => {
    const tidy = definePlugin({
      name: "tidy",
      setup(proxy) {
        const server = createServer();
        proxy.onReady(() => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)));
        proxy.onClose(() => new Promise<void>((resolve) => void server.close(() => resolve())));
        proxy.every(10_000, () => undefined);
      },
    });
    expect(await fails(tidy)).toEqual([]);
  });

  test("a plugin that needs others beside it", async () => {
    const needy = definePlugin({
      name: "needy",
      setup: (proxy) => void proxy.use("selector", "first"),
    });
    const first = definePlugin({
      name: "first",
      setup(proxy) {
        proxy.provide("selector", "first", { create: () => ({ pick: (targets) => targets[0] }) });
      },
    });
    expect(await fails(needy, [], () => [first()])).toEqual([]);
    expect(await fails(needy)).toContain("takes frozen options");
  });
});

describe("the suite fails a plugin that", () => {
  test("is not named in kebab-case", async () => {
    expect(await fails(definePlugin({ name: "camelCase", setup: () => undefined }))).toEqual([
      "its name is in kebab-case",
    ]);
  });

  test("takes unknown options", async () => {
    const lax = definePlugin({ name: "lax", options: v.object({}), setup: () => undefined });
    expect(await fails(lax)).toEqual(["refuses an unknown option by name"]);
  });

  test("takes bad options, or refuses them with other words", async () => {
    const create = () => healthy();
    expect(await fails(create, [{ options: { names: ["a"] }, says: "names" }])).toEqual(["refuses bad options: names"]);
    expect(await fails(create, [{ options: { names: [1] }, says: /nmaes/ }])).toEqual(["refuses bad options: /nmaes/"]);
  });

  test("writes to its options", async () => {
    const writing = definePlugin({
      name: "writing",
      options: v.pipe(
        v.any(),
        v.check(
          (input: { names?: string[] }) => (input.names?.push("more"), !("notAnOption" in input)),
          "notAnOption: unknown",
        ),
      ),
      setup: () => undefined,
    });
    expect(await fails(() => writing({ names: [] }))).toEqual(["takes frozen options"]);
  });

  test("opens something in its factory", async () => {
    const servers: ReturnType<typeof createServer>[] = [];
    const hasty = (): Plugin => {
      servers.push(createServer().listen(0, "127.0.0.1"));
      return healthy();
    };
    expect(await fails(hasty)).toContain("opens nothing before it is started");
    for (const server of servers) server.close();
  });

  test("leaves a server open", async () => {
    const servers: ReturnType<typeof createServer>[] = [];
    const leaky = definePlugin({
      name: "leaky",
      setup: () => void servers.push(createServer().listen(0, "127.0.0.1")),
    });
    expect(await fails(leaky)).toEqual(["closes twice and leaves nothing open"]);
    for (const server of servers) server.close();
  });

  test("leaves a timer running", async () => {
    const timers: NodeJS.Timeout[] = [];
    const ticking = definePlugin({
      name: "ticking",
      setup: () => void timers.push(setInterval(() => undefined, 60_000)),
    });
    expect(await fails(ticking)).toEqual(["closes twice and leaves nothing open"]);
    for (const timer of timers) clearInterval(timer);
  });

  test("ends for all instances when one is closed", async () => {
    let closed = false;
    const shared = definePlugin({
      name: "shared",
      setup(proxy) {
        closed = false;
        proxy.onClose(() => void (closed = true));
        return { request: () => ({ status: closed ? 500 : 204 }) };
      },
    });
    expect(await fails(shared)).toEqual(["goes on when another instance is closed"]);
  });
});

test("services are set up and linked, and nothing is started", async () => {
  const calls: string[] = [];
  const plugin = definePlugin({
    name: "source",
    options: v.strictObject({ pool: v.string() }),
    setup(proxy, { pool }) {
      proxy.onReady(() => void calls.push("ready"));
      proxy.every(1, () => void calls.push("every"), { immediate: true });
      proxy.provide("discovery", "source", { pool, start: () => void calls.push("start") });
    },
  });
  const services = await servicesOf("discovery", [plugin({ pool: "a" })]);
  expect(services.get("source")?.pool).toBe("a");
  expect(await servicesOf("selector", [plugin({ pool: "a" })])).toEqual(new Map());
  expect(calls).toEqual([]);
});

test("services of a plugin with wrong options are refused as by a proxy", async () => {
  const plugin = definePlugin({
    name: "source",
    options: v.strictObject({ pool: v.string() }),
    setup: () => undefined,
  });
  await expect(servicesOf("discovery", [plugin({ pool: 1 as unknown as string })])).rejects.toThrow(
    "plugins[0] source: pool: ",
  );
});
