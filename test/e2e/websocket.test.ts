import { once } from "node:events";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createProxy, definePlugin, type Proxy, type Reporter, type Target } from "plugboard";
import { leastConnections, roundRobin, staticTargets } from "plugboard/plugins";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { createAuthority } from "../certificates.ts";
import { closedUrl } from "../wire/closed-port.ts";
import { recorder } from "../wire/recorder.ts";
import { within } from "../wire/waiting.ts";
import { eventually } from "./eventually.ts";
import { llmPlugins } from "./llm-plugins.ts";
import { openProxy } from "./open-proxy.ts";
import { closeOf, connect, echo, echoServer } from "./websocket-echo.ts";

/** As `once`, but an error is an answer too. */
function failed(url: string): Promise<string> {
  const socket = new WebSocket(url.replace(/^http/, "ws"));
  return new Promise((resolve, reject) => {
    socket.on("error", (error) => resolve(error.message)).on("open", () => reject(new Error("it opened")));
  });
}

function targetsOf(proxy: Proxy): readonly Target[] {
  return proxy.pools()[0]?.snapshot.all ?? [];
}

/** How many attempts each target has under way. */
function inflight(proxy: Proxy): number[] {
  return targetsOf(proxy).map(({ live }) => live.inflight);
}

test("messages of all kinds and sizes pass, and each side hears how the other one closed", async () => {
  const upstream = await echoServer();
  const { proxy, url } = await openProxy([staticTargets({ targets: [upstream.url] })]);
  const socket = await connect(url, ["realtime", "other"]);
  expect(socket.protocol).toBe("realtime");
  expect(socket.extensions).toContain("permessage-deflate");
  for (const text of ["", "hi", "a".repeat(126), "b".repeat(70_000), "c".repeat(3_000_000)])
    expect(await echo(socket, text)).toBe(text);
  const pong = once(socket, "pong");
  socket.ping("are you there");
  expect(String((await within(pong, "a pong comes"))[0])).toBe("are you there");
  expect(inflight(proxy)).toEqual([1]);
  socket.close(4_001, "done");
  expect(await closeOf(socket)).toBe(4_001);
  await eventually(() => expect(upstream.closes).toEqual([4_001]));
  await eventually(() => expect(inflight(proxy)).toEqual([0]));
  expect(proxy.status().active).toBe(0);
});

test("the upstream's Close reaches the client", async () => {
  const upstream = await echoServer();
  const { url } = await openProxy([staticTargets({ targets: [upstream.url] })]);
  const socket = await connect(url);
  await echo(socket, "hi");
  for (const each of upstream.server.clients) each.close(4_002);
  expect(await closeOf(socket)).toBe(4_002);
});

test("sockets go where the selector says, and count there for as long as they are open", async () => {
  const upstreams = await Promise.all([echoServer(), echoServer(), echoServer()]);
  const targets = upstreams.map(({ url }) => url);
  const { proxy, url } = await openProxy([staticTargets({ targets }), leastConnections()]);
  const sockets: WebSocket[] = [];
  for (let index = 0; index < 6; index++) sockets.push(await connect(url));
  expect(inflight(proxy)).toEqual([2, 2, 2]);

  // The place that two of one target leave is where the next two go.
  const [quiet] = upstreams;
  for (const each of quiet?.server.clients ?? []) each.close();
  await eventually(() => expect(inflight(proxy)).toEqual([0, 2, 2]));
  for (let index = 0; index < 2; index++) sockets.push(await connect(url));
  expect(inflight(proxy)).toEqual([2, 2, 2]);

  for (const socket of sockets) socket.terminate();
  await eventually(() => expect(inflight(proxy)).toEqual([0, 0, 0]));
  expect(targetsOf(proxy).map(({ live }) => live.failures)).toEqual([0, 0, 0]);
});

test("a target that is down is passed over, and one that cannot be reached is left for another", async () => {
  const [down, up] = [await echoServer(), await echoServer()];
  let reporter: Reporter | undefined;
  const switchable = definePlugin({
    name: "switchable",
    setup: (proxy) => void (reporter = proxy.reporter("switchable")),
  });
  const seen = recorder();
  const targets = [await closedUrl(), down.url, up.url].map((target, index) => ({ url: target, id: `t${index}` }));
  const { url } = await openProxy([staticTargets({ targets }), switchable(), seen.plugin, roundRobin()]);
  reporter?.down("t1", "as the test wants it");
  for (let index = 0; index < 4; index++) expect(await echo(await connect(url), "hi")).toBe("hi");
  expect([down.server.clients.size, up.server.clients.size]).toEqual([0, 4]);
  const kinds = new Set(seen.attempts.map(({ target, outcome }) => `${target.id} ${outcome.kind}`));
  expect(kinds).toEqual(new Set(["t0 connect"]));

  reporter?.up("t1");
  for (let index = 0; index < 3; index++) await connect(url);
  expect(down.server.clients.size).toBeGreaterThan(0);
});

test("what the upstream says instead of 101 is what the client is told", async () => {
  const upstream = await echoServer(() => true);
  const { proxy, url } = await openProxy([staticTargets({ targets: [upstream.url] })]);
  expect(await failed(url)).toContain("429");
  await eventually(() => expect(inflight(proxy)).toEqual([0]));
  expect(await failed((await openProxy([staticTargets({ targets: [await closedUrl()] })])).url)).toContain("502");
});

test("a protocol that is not on the list is not offered to the upstream", async () => {
  const upstream = await echoServer();
  const { url } = await openProxy([staticTargets({ targets: [upstream.url] })], { upgrades: ["chat"] });
  expect(await failed(url)).toContain("426"); // So says a WebSocket server to a request without an offer.
  expect(upstream.server.clients.size).toBe(0);
});

test("with the plugins for models in front a socket, which names none in a body, goes to the whole pool", async () => {
  const upstream = await echoServer();
  const targets = [{ url: upstream.url, models: ["small"] }];
  const seen = recorder();
  const { url } = await openProxy([staticTargets({ targets }), ...llmPlugins(), seen.plugin]);
  const socket = await connect(url);
  expect(await echo(socket, "hi")).toBe("hi");
  socket.close();
  await closeOf(socket);
  await within(seen.ended(1), "the exchange ends");
  expect(seen.attempts.map(({ outcome }) => outcome.status)).toEqual([101]);
  const { bytesIn = 0, bytesOut = 0 } = seen.ends[0] ?? {};
  expect(Math.min(bytesIn, bytesOut)).toBeGreaterThan(4);
  const told: unknown = await (await fetch(`${url}/stats`)).json();
  expect(told).toMatchObject({
    requests: { total: 1, kinds: { ok: 1 }, statuses: { "1xx": 1 } },
    bytes: { in: bytesIn, out: bytesOut },
  });
});

test("at the deadline of a drain both sides are told that the proxy goes away", async () => {
  const upstream = await echoServer();
  const seen = recorder();
  const { proxy, url } = await openProxy([staticTargets({ targets: [upstream.url] }), seen.plugin]);
  const sockets = [await connect(url), await connect(url)];
  for (const socket of sockets) await echo(socket, "hi");
  const closes = sockets.map(closeOf);
  const closing = proxy.close({ deadline: 100 });
  for (const socket of sockets) expect(await echo(socket, "still here")).toBe("still here");
  expect(await Promise.all(closes)).toEqual([1_001, 1_001]);
  await within(closing, "close() resolves");
  await eventually(() => expect(upstream.closes).toEqual([1_001, 1_001]));
  await within(seen.ended(2), "both exchanges end");
  expect(seen.ends).toMatchObject([{ kind: "local" }, { kind: "local" }]);
  expect(inflight(proxy)).toEqual([0]);
});

test("a drain ends as soon as the last socket is closed", async () => {
  const upstream = await echoServer();
  const { proxy, url } = await openProxy([staticTargets({ targets: [upstream.url] })]);
  const socket = await connect(url);
  const closing = proxy.close({ deadline: 60_000 });
  socket.close(1_000);
  expect(await closeOf(socket)).toBe(1_000);
  await within(closing, "close() resolves");
});

test("a socket that comes by TLS is told too, and neither side's reset harms anyone", async () => {
  const upstream = await echoServer();
  const authority = createAuthority();
  const proxy = await createProxy({ plugins: [staticTargets({ targets: [upstream.url] })] });
  const server = createSecureServer(authority.issue());
  proxy.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const secure = { ca: authority.cert };
  const [first, second, third] = [
    await connect(url, [], secure),
    await connect(url, [], secure),
    await connect(url, [], secure),
  ];
  expect(await echo(first, "a".repeat(100_000))).toBe("a".repeat(100_000));
  first.terminate();
  const ended = closeOf(second);
  upstream.sockets[1]?.resetAndDestroy();
  expect(await ended).toBe(1_006);
  const told = closeOf(third);
  await proxy.close({ deadline: 0 });
  expect(await told).toBe(1_001);
});
