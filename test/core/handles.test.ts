import { expect, test } from "vitest";
import { inChild } from "./in-child.ts";

// In a process of its own, where every timer and handle is the proxy's.

const prelude = `
  import { createHook } from "node:async_hooks";
  import { createServer } from "node:http";
  const timers = new Map();
  createHook({
    init: (id, type) => void (type === "Timeout" && timers.set(id, new Error().stack)),
    destroy: (id) => void timers.delete(id),
  }).enable();
  const { createProxy, definePlugin } = await import("plugboard");
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const upstream = createServer((req, res) => void res.end("ok"));
  await new Promise((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const target = "http://127.0.0.1:" + upstream.address().port;
  const source = definePlugin({
    name: "source",
    setup(proxy) {
      proxy.provide("discovery", "source", { start: (sink) => sink.replace([{ url: target }]) });
      proxy.every(60_000, () => {});
      const reporter = proxy.reporter("r");
      proxy.onReady(() => reporter.down("nobody", "gone", 60_000));
      return { attemptEnd(x, target) { reporter.down(target.id, "enough", 60_000); } };
    },
  });
  const before = new Set(timers.keys());
`;

const report = `
  for (let i = 0; i < 5; i++) await turn();
  const left = [...timers].filter(([id]) => !before.has(id)).map(([, stack]) => stack);
  console.log(JSON.stringify({ stacks: left }));
`;

interface Left {
  readonly stacks: readonly string[];
}

async function leftBy(life: string): Promise<Left> {
  const { code, stdout, stderr } = await inChild(prelude + life + report);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return JSON.parse(stdout.slice(stdout.indexOf("{"))) as Left;
}

const closeUpstream = `
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
`;

/** Where timers were made, but for the two that a process has once: undici's clock and the one of Node's Date header. */
const makers = ({ stacks }: Left): string[] =>
  stacks
    .filter((stack) => !/undici\/lib\/util\/timers|utcDate/.test(stack))
    .map((stack) => stack.split("\n").slice(5).join("\n"));

test("a proxy that only answered without a port leaves no timer", { timeout: 20_000 }, async () => {
  const left = await leftBy(`
    const proxy = await createProxy({ plugins: [source()] });
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    await proxy.close();
    ${closeUpstream}`);
  expect(makers(left)).toEqual([]);
});

test("a proxy that listened leaves no timer, not even one that keeps nothing alive", { timeout: 20_000 }, async () => {
  const left = await leftBy(`
    const proxy = await createProxy({ plugins: [source()] });
    const { port } = await proxy.listen();
    const http = await import("node:http");
    await new Promise((resolve) =>
      http.get({ port, host: "127.0.0.1", agent: false }, (res) => res.resume().on("end", resolve)));
    await proxy.close();
    ${closeUpstream}`);
  expect(makers(left)).toEqual([]);
});

test("a proxy that was refused leaves no timer", { timeout: 20_000 }, async () => {
  const left = await leftBy(`
    const bad = definePlugin({ name: "bad", setup: (proxy) => proxy.onReady(() => { throw new Error("boom"); }) });
    await createProxy({ plugins: [source(), bad()] }).catch(() => {});
    ${closeUpstream}`);
  expect(makers(left)).toEqual([]);
});

test("reloads leave nothing behind but the last generation", { timeout: 20_000 }, async () => {
  const left = await leftBy(`
    const proxy = await createProxy({ plugins: [source()] });
    for (let i = 0; i < 20; i++) await proxy.reload();
    await proxy.close();
    ${closeUpstream}`);
  expect(makers(left)).toEqual([]);
});

test("a process ends by itself when its proxy is closed in the middle of everything", { timeout: 10_000 }, async () => {
  const { code, stdout } = await inChild(`${prelude}
    const slow = createServer((req, res) => void res.write("first"));
    await new Promise((resolve) => slow.listen(0, "127.0.0.1", resolve));
    const stream = definePlugin({
      name: "stream",
      setup(proxy) {
        const url = "http://127.0.0.1:" + slow.address().port;
        proxy.provide("discovery", "stream", { start: (sink) => sink.replace([{ url }]) });
      },
    });
    const proxy = await createProxy({ plugins: [stream()] });
    const { url } = await proxy.listen();
    const response = await fetch(url);
    await proxy.reload();
    await proxy.close({ deadline: 50 });
    console.log(await response.text().then(() => "whole", () => "cut"));
    slow.close();
    slow.closeAllConnections();
    ${closeUpstream}`);
  expect([code, stdout.trim()]).toEqual([0, "cut"]);
});
