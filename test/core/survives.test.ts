import { expect, test } from "vitest";
import { inChild } from "./in-child.ts";

// What the types refuse is still written, in JavaScript. It may spoil its own request; it may not end the process.

const life = (hooks: string): string => `
  import { createProxy, definePlugin } from "plugboard";
  const guilty = definePlugin({
    name: "guilty",
    setup(proxy) {
      const route = proxy.createRoute({ name: "r" });
      return ${hooks};
    },
  });
  const mem = definePlugin({
    name: "mem",
    setup(proxy) {
      proxy.provide("discovery", "mem", { start: (sink) => sink.replace([{ url: "mem://a" }]) });
      proxy.provide("transport", "mem", {
        schemes: ["mem"],
        send(target, x, sink) {
          sink.connected(), sink.head(200, {}), sink.end();
          return { abort() {}, resume() {} };
        },
      });
    },
  });
  const proxy = await createProxy({ plugins: [mem(), guilty()] });
  const { url } = await proxy.listen();
  const answered = fetch(url + "/spoil").then((response) => response.text(), () => "cut");
  await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, 200))]);
  console.log("status", (await fetch(url + "/")).status);
  await proxy.close({ deadline: 0 });
`;

test.each([
  ["a gate that answers null, later", '{ request: async (x) => (x.path === "/spoil" ? null : undefined) }'],
  ["a gate that answers a text, later", '{ inspect: async (x) => (x.path === "/spoil" ? "no" : undefined) }'],
  ["an async observer that rejects", "{ end: async () => { throw new Error('boom'); } }"],
  ["an async attempt observer that rejects", "{ attemptEnd: async () => { throw new Error('boom'); } }"],
  [
    "an async upstreamResponse that rejects",
    "{ upstreamResponse: async (x) => { if (x.path === '/spoil') throw new Error('boom'); } }",
  ],
  [
    "an async error hook that rejects",
    "{ admit: (x) => { if (x.path === '/spoil') throw new Error('a'); }, error: async () => { throw new Error('boom'); } }",
  ],
  [
    "a gate whose reply has an object for a body",
    "{ request: (x) => (x.path === '/spoil' ? { status: 200, body: { a: 1 } } : undefined) }",
  ],
  [
    "a gate whose reply has an object for a body, later",
    "{ request: async (x) => (x.path === '/spoil' ? { status: 200, body: { a: 1 } } : undefined) }",
  ],
  [
    "an error hook whose reply has an object for a body",
    "{ admit: async (x) => { if (x.path === '/spoil') throw new Error('a'); }, error: () => ({ status: 500, body: { a: 1 } }) }",
  ],
  [
    "a resolve that returns an object of its own, before a gate that takes its time",
    "{ resolve: (x) => (x.path === '/spoil' ? { pool: 'default' } : route), admit: (x) => (x.path === '/spoil' ? new Promise((resolve) => setTimeout(resolve, 150)) : undefined) }",
  ],
])("%s does not end the process", { timeout: 20_000 }, async (_what, hooks) => {
  const { code, stdout } = await inChild(life(hooks));
  expect(stdout).toContain("status 200");
  expect(code).toBe(0);
});

test("a listener of a pool that throws does not end the process", { timeout: 20_000 }, async () => {
  const { code, stdout } = await inChild(`
    import { createProxy, definePlugin } from "plugboard";
    const sinks = [];
    const source = definePlugin({
      name: "source",
      setup(proxy) {
        proxy.provide("discovery", "source", { start: (sink) => void sinks.push(sink) });
        proxy.pool().onChange(() => { throw new Error("boom"); });
      },
    });
    const proxy = await createProxy({ plugins: [source()] });
    sinks[0].replace([{ url: "http://127.0.0.1:1" }]);
    while (proxy.pools()[0].snapshot.all.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    console.log("targets:", proxy.pools()[0].snapshot.all.length);
    await proxy.close();
  `);
  expect(stdout).toContain("targets: 1");
  expect(code).toBe(0);
});

test("a caller without a port that cancels an answer does not end the process", { timeout: 20_000 }, async () => {
  const { code, stdout } = await inChild(`
    import { createServer } from "node:http";
    import { createProxy, definePlugin } from "plugboard";
    let leave;
    const left = new Promise((resolve) => (leave = resolve));
    const upstream = createServer((req, res) => {
      const more = setInterval(() => res.write("more"), 5);
      res.on("close", () => (clearInterval(more), console.log("the upstream was left"), leave()));
    });
    await new Promise((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const url = "http://127.0.0.1:" + upstream.address().port;
    const source = definePlugin({
      name: "source",
      setup: (proxy) => proxy.provide("discovery", "source", { start: (sink) => sink.replace([{ url }]) }),
    });
    const proxy = await createProxy({ plugins: [source()] });
    const { body } = await proxy.fetch(new Request("http://proxy/"));
    const reader = body.getReader();
    await reader.read();
    await reader.cancel();
    while (proxy.status().active > 0) await new Promise((resolve) => setImmediate(resolve));
    await left;
    console.log("under way:", proxy.status().active);
    await proxy.close({ deadline: 0 });
    upstream.closeAllConnections();
    upstream.close();
  `);
  expect(stdout).toContain("the upstream was left");
  expect(stdout).toContain("under way: 0");
  expect(code).toBe(0);
});
