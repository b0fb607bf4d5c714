import { once } from "node:events";
import { Agent, type ClientRequest, get, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { openUpstream } from "../../e2e/open-upstream.ts";
import { within } from "../../wire/waiting.ts";
import { memUpstream } from "../mem-upstream.ts";
import { type OpenProxy, openProxy } from "../open-proxy.ts";
import { starved } from "./starved.ts";

const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A connection that stands; whether it is served or was dropped is yet to be seen. */
async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** Whether a request on it is answered; false: it was closed. */
function isServed(socket: Socket): Promise<boolean> {
  const served = new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true)).once("close", () => resolve(false));
    if (socket.destroyed) resolve(false);
  });
  socket.write(request);
  return within(served, "an answer or an end");
}

const portOf = (proxy: OpenProxy, name: string): number =>
  proxy.listeners().find((listener) => listener.name === name)?.port ?? 0;

const warnings = (lines: readonly string[], part: string): string[] => lines.filter((line) => line.includes(part));

async function threeAtMost(): Promise<OpenProxy> {
  const proxy = await openProxy({
    plugins: [memUpstream()],
    listeners: { extra: { port: 0 }, third: { port: 0 } },
    limits: { connections: 3 },
  });
  await proxy.listen();
  return proxy;
}

test("the connections of all ports count together, and what is over the limit is closed", async () => {
  const proxy = await threeAtMost();
  const held = [
    await open(portOf(proxy, "main")),
    await open(portOf(proxy, "main")),
    await open(portOf(proxy, "extra")),
  ];
  for (const socket of held) expect(await isServed(socket)).toBe(true);
  for (const name of ["main", "extra", "third"]) expect(await isServed(await open(portOf(proxy, name)))).toBe(false);
  for (const socket of held) expect(await isServed(socket)).toBe(true);
});

test("a connection that ends makes room on every port", async () => {
  const proxy = await threeAtMost();
  const held = [
    await open(portOf(proxy, "main")),
    await open(portOf(proxy, "main")),
    await open(portOf(proxy, "extra")),
  ];
  for (const socket of held) expect(await isServed(socket)).toBe(true);
  held[0]?.destroy();
  await eventually(() => expect(proxy.status()).toMatchObject({ active: 0 }));
  const served = async (): Promise<boolean> => isServed(await open(portOf(proxy, "third")));
  while (!(await served())); // The proxy hears of the end a moment later.
  expect(await isServed(await open(portOf(proxy, "main")))).toBe(false);
});

test("what was closed unserved is logged with figures, not line by line", async () => {
  const proxy = await threeAtMost();
  const port = portOf(proxy, "main");
  for (let count = 0; count < 3; count++) expect(await isServed(await open(port))).toBe(true);
  for (let count = 0; count < 50; count++) await isServed(await open(port));
  await eventually(() => expect(proxy.lines.join("\n")).toContain("closed unserved"));
  const told = warnings(proxy.lines, "closed unserved");
  expect(told[0]).toMatch(/^warn: \d+ connections were closed unserved: 3 of 3 are open; raise limits\.connections/);
  expect(told.length).toBeLessThan(4);
});

test("a reload that closes a listener gives its connections to the others", async () => {
  const proxy = await threeAtMost();
  for (let count = 0; count < 2; count++) expect(await isServed(await open(portOf(proxy, "extra")))).toBe(true);
  await proxy.reload({ plugins: [memUpstream()], limits: { connections: 3 } });
  await eventually(() => expect(proxy.lines.join("\n")).toContain("listener extra: closes"));
  const main = portOf(proxy, "main");
  const all = async (): Promise<boolean[]> => {
    const sockets = [await open(main), await open(main), await open(main), await open(main)];
    const served = await Promise.all(sockets.map(isServed));
    for (const socket of sockets) socket.destroy();
    return served;
  };
  await expect.poll(async () => (await all()).filter(Boolean).length, { timeout: 4_000 }).toBe(3);
});

const isLinux = process.platform === "linux";

test.runIf(isLinux)("a flood of connections leaves the proxy the descriptors it needs, and is logged", async () => {
  const proxy = await starved(256, await openUpstream((_, response) => void response.end("hi")));
  expect(proxy.lines).toEqual([expect.stringMatching(/^warn: this process may have 256 file descriptors/)]);
  const sockets = await Promise.all(Array.from({ length: 300 }, () => open(proxy.port)));
  const served = await Promise.all(sockets.map(isServed));
  expect(served.filter(Boolean)).toHaveLength(115);
  await eventually(() => expect(warnings(proxy.lines, "115 of 115 are open")).not.toEqual([]));
  const dropped = warnings(proxy.lines, "closed unserved").map((line) => Number(/ (\d+) conn/.exec(line)?.[1]));
  expect(dropped.reduce((sum, count) => sum + count)).toBe(185);
  expect(warnings(proxy.lines, "in use")).toEqual([]);
});

test.runIf(isLinux)("without a descriptor for an upstream a request is 503, and the target is not blamed", async () => {
  const upstream = await openUpstream((_, response) => void response.setHeader("connection", "close").end("hi"));
  const proxy = await starved(256, upstream, { connections: 0 });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const ask = async (path: string): Promise<{ status: number | undefined; code: unknown; body: string }> => {
    const asked: ClientRequest = get({ port: proxy.port, host: "127.0.0.1", path, agent });
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    return { status: response.statusCode, code: response.headers["x-proxy-error"], body: await text(response) };
  };
  expect(await ask("/")).toMatchObject({ status: 200 });
  const before = await proxy.order("target");
  const askStarved = async (): Promise<unknown> => {
    await proxy.order("fill"); // Again, should the last connection have ended only now.
    return (await ask("/")).code;
  };
  await expect.poll(askStarved, { timeout: 10_000 }).toBe("overloaded");
  const { status, body } = await ask("/");
  expect(status).toBe(503);
  expect(body).not.toMatch(/EMFILE|127\.0\.0\.1/);
  expect(await proxy.order("target")).toMatchObject({ failures: before.failures, available: 1 });
  await eventually(() => expect(warnings(proxy.lines, "could not be opened (EMFILE)")).not.toEqual([]));
  await eventually(() => expect(warnings(proxy.lines, "all 256 file descriptors are in use")).not.toEqual([]));
  await proxy.order("free");
  expect(await ask("/")).toMatchObject({ status: 200 });
});
