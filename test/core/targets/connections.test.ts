import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createProxy, type DiscoverySink, type Plugin, type Proxy } from "plugboard";
import { expect, onTestFinished, test } from "vitest";
import { Connections } from "../../../core/targets/connections.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";
import { deferred, within } from "../../wire/waiting.ts";

test("one origin with one set of options has one set of connections", () => {
  const connections = new Connections();
  const one = connections.hold("http://a.test", { keepAlive: 4_000, maxConnections: 10 });
  expect(connections.hold("http://a.test", { keepAlive: 4_000, maxConnections: 10 })).toBe(one);
  expect(connections.hold("http://a.test", { keepAlive: 2_000, maxConnections: 10 })).not.toBe(one);
  expect(connections.hold("http://a.test", { keepAlive: 4_000, maxConnections: 11 })).not.toBe(one);
  expect(connections.hold("http://b.test", { keepAlive: 4_000, maxConnections: 10 })).not.toBe(one);
});

test("they are kept while anyone holds them, and made anew when the last one let go", () => {
  const connections = new Connections();
  const one = connections.hold("http://a.test", { keepAlive: 4_000, maxConnections: 10 });
  connections.hold("http://a.test", { keepAlive: 4_000, maxConnections: 10 });
  connections.release(one);
  expect(connections.hold("http://a.test", { keepAlive: 4_000, maxConnections: 10 })).toBe(one);
  connections.release(one);
  connections.release(one);
  expect(connections.hold("http://a.test", { keepAlive: 4_000, maxConnections: 10 })).not.toBe(one);
});

/** An upstream that counts its connections, a proxy whose targets a test changes. */
interface Rig {
  readonly server: Server;
  readonly proxy: Proxy;
  readonly sink: DiscoverySink;
  readonly url: string;
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  /** Resolves when none is. */
  closed(): Promise<void>;
  get(path: string): Promise<string>;
}

async function rig(...plugins: Plugin[]): Promise<Rig> {
  const open = new Set<Socket>();
  let told = (): void => {};
  const server = createServer((_req, res) => void res.end("ok"));
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      told();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sinks: DiscoverySink[] = [];
  const source = quickPlugin("source", (setup) =>
    setup.provide("discovery", "source", {
      start(sink) {
        sinks.push(sink);
        sink.replace([{ url, keepAlive: 30_000 }]);
      },
    }),
  );
  const proxy = await createProxy({ plugins: [source, ...plugins] });
  onTestFinished(async () => {
    await proxy.close({ deadline: 0 });
    server.closeAllConnections();
    server.close();
  });
  return {
    server,
    proxy,
    sink: sinks[0] as DiscoverySink,
    url,
    open,
    closed: () => new Promise((resolve) => (open.size === 0 ? resolve() : (told = () => open.size === 0 && resolve()))),
    async get(path) {
      const text = await (await proxy.fetch(new Request(`http://proxy${path}`))).text();
      await new Promise((resolve) => setImmediate(resolve)); // Only now the connection is free again.
      return text;
    },
  };
}

test("the connections of a target that is removed are closed", async () => {
  const { sink, open, closed, get } = await rig();
  await get("/");
  expect(open.size).toBe(1);
  sink.replace([]);
  await within(closed(), "the connection is closed");
});

test("the connections of a target whose keep-alive changes are closed, and made anew", async () => {
  const { sink, open, url, get } = await rig();
  await get("/");
  const [before] = open;
  const gone = new Promise((resolve) => before?.once("close", resolve));
  sink.replace([{ url, keepAlive: 20_000 }]);
  await within(gone, "the connection is closed");
  await get("/");
  expect(open.size).toBe(1);
});

test("the connections that stay are used by the next generation", async () => {
  const { proxy, open, get } = await rig();
  await get("/");
  const [before] = open;
  await proxy.reload();
  await get("/");
  expect(open.size).toBe(1);
  expect(open.has(before as Socket)).toBe(true);
});

test("all connections are closed with the proxy", async () => {
  const { proxy, closed, get } = await rig();
  await get("/");
  await proxy.close();
  await within(closed(), "the connection is closed");
});

test("those of a request whose target was removed while a plugin thought are closed with the proxy", async () => {
  const thinking = deferred();
  const thought = deferred();
  const slow = hooks({
    upstreamRequest: () => {
      thinking.resolve();
      return thought.promise;
    },
  });
  const { proxy, sink, closed, get } = await rig(slow);
  const answer = get("/");
  await thinking.promise;
  sink.replace([]);
  await new Promise((resolve) => setImmediate(resolve));
  thought.resolve();
  await answer;
  await proxy.close();
  await within(closed(), "the connection is closed", 1_000);
});

test("none is opened for a request that comes when the proxy is closed", async () => {
  const { proxy, open, get } = await rig();
  await proxy.close();
  await get("/").catch(() => {});
  expect(open.size).toBe(0);
});
