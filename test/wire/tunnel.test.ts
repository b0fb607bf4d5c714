import { expect, test } from "vitest";
import type { Peer } from "./evil-upstream.ts";
import { expectWaitRenewed, firstExchange, hour } from "./first-exchange.ts";
import { get, handshake, message, ok, switching } from "./messages.ts";
import { openWire } from "./open-wire.ts";
import type { RawClient } from "./raw-client.ts";
import { recorder } from "./recorder.ts";
import { within } from "./waiting.ts";
import { openTunnel as tunnel } from "./websocket.ts";

test("a tunnel is asked for with the client's headers and carries bytes both ways", async () => {
  const { wire, client, peer } = await tunnel();
  const [request] = wire.upstream.requests;
  expect(request?.get("connection")?.toLowerCase()).toBe("upgrade");
  expect(request?.get("upgrade")).toBe("websocket");
  expect(request?.get("sec-websocket-key")).toBe("dGhlIHNhbXBsZSBub25jZQ==");
  await client.send("\x81\x02hi");
  expect((await peer.reader.take(4)).toString("latin1")).toBe("\x81\x02hi");
  await peer.write("\x81\x02ho");
  expect((await client.reader.take(4)).toString("latin1")).toBe("\x81\x02ho");
});

test("a tunnel keeps the handshake's headers: Sec-WebSocket-Accept, once", async () => {
  const wire = await openWire(async (peer) => {
    await peer.request();
    await peer.write(switching());
  });
  const client = await wire.client();
  await client.send(handshake);
  const response = await client.head();
  expect(response.values("sec-websocket-accept")).toEqual(["a"]);
  expect(response.get("upgrade")).toBe("websocket");
  expect(response.get("connection")?.toLowerCase()).toBe("upgrade");
  expect(response.get("content-length") ?? response.get("transfer-encoding")).toBeUndefined();
});

test("a tunnel leaves out what is between two of its hops", async () => {
  const wire = await openWire(async (peer) => {
    await peer.request();
    const headers = [
      "Connection: Upgrade, X-Hop",
      "Upgrade: websocket",
      "X-Hop: 1",
      "Keep-Alive: timeout=5",
      "X-End: 1",
    ];
    await peer.write(message(["HTTP/1.1 101 Switching Protocols", ...headers]));
  });
  const client = await wire.client();
  await client.send(handshake);
  const response = await client.head();
  expect(response.get("x-end")).toBe("1");
  expect(response.get("via")).toBe("1.1 plugboard");
  expect(response.get("x-hop") ?? response.get("keep-alive")).toBeUndefined();
});

test("a tunnel loses no byte that came together with either head", async () => {
  const wire = await openWire();
  const client = await wire.client();
  await client.send(`${handshake}early`);
  const peer = await wire.upstream.accept();
  await peer.request();
  await peer.write(`${switching()}hello`);
  expect((await client.head()).status).toBe(101);
  expect((await client.reader.take(5)).toString()).toBe("hello");
  expect((await peer.reader.take(5)).toString()).toBe("early");
});

test("a tunnel sends nothing behind the request before the 101", async () => {
  const wire = await openWire();
  const client = await wire.client();
  await client.send(`${handshake}early`);
  const peer = await wire.upstream.accept();
  await peer.request();
  const other = await wire.client();
  await other.send(get("/tick"));
  const second = await wire.upstream.accept();
  await second.request();
  await second.write(ok());
  await other.response();
  expect(peer.reader.received.toString("latin1")).not.toContain("early");
});

const leavings = [
  ["halfClose", "fin"],
  ["reset", "reset"],
] as const;

test.each(leavings)("a tunnel ends for the upstream as the client leaves, by %s", async (leave, ending) => {
  const { client, peer } = await tunnel();
  client[leave]();
  expect(await within(peer.ending, "the upstream's side closes")).toBe(ending);
});

test.each(leavings)("a tunnel ends for the client as the upstream leaves, by %s", async (leave, ending) => {
  const { client, peer } = await tunnel();
  await peer[leave]();
  expect(await within(client.ending, "the client's side closes")).toBe(ending);
});

const last = Buffer.alloc(8_000_000, "a");

test("all that the upstream sent before its FIN reaches a client that is slow to read", async () => {
  const { client, peer } = await tunnel();
  client.pause();
  void peer.write(last).then(() => peer.halfClose());
  await peer.write("");
  client.resume();
  expect((await client.reader.take(last.length)).equals(last)).toBe(true);
  expect(await within(client.ending, "the client's side closes")).toBe("fin");
});

test("all that the client sent before its FIN reaches an upstream that is slow to read", async () => {
  const { client, peer } = await tunnel();
  peer.stopReading();
  void client.send(last);
  client.halfClose();
  peer.startReading();
  expect((await peer.reader.take(last.length)).equals(last)).toBe(true);
  expect(await within(peer.ending, "the upstream's side closes")).toBe("fin");
});

test("a reset by the upstream is its fault, one by the client is nobody's", async () => {
  const seen = recorder();
  const { wire, peer } = await tunnel({ plugins: [seen.plugin] });
  await peer.reset();
  await within(seen.ended(1), "the exchange ends");
  expect(seen.attempts[0]?.outcome).toMatchObject({ kind: "stream-error", error: { code: "upstream_reset" } });
  expect(seen.attempts[0]?.target.live.failures).toBe(1);

  const client = await wire.client();
  await client.send(handshake);
  const second = await wire.upstream.accept();
  await second.request();
  await second.write(switching());
  await client.head();
  client.reset();
  await within(seen.ended(2), "the exchange ends");
  expect(seen.attempts[1]?.outcome.kind).toBe("client-abort");
  expect(seen.attempts[1]?.target.live.failures).toBe(1);
});

test("the bytes of a tunnel are counted by direction, those that came early too", async () => {
  const seen = recorder();
  const wire = await openWire(undefined, { plugins: [seen.plugin] });
  const client = await wire.client();
  await client.send(`${handshake}early`);
  const peer = await wire.upstream.accept();
  await peer.request();
  await peer.write(`${switching()}hello`);
  await client.head();
  await client.send("and later");
  await client.reader.take(5);
  await peer.reader.take(14);
  await peer.close();
  await within(client.ending, "the client's side closes");
  client.destroy();
  await within(seen.ended(1), "the exchange ends");
  const bytes = { bytesIn: 14, bytesOut: 5 };
  expect(seen.attempts).toMatchObject([{ outcome: { kind: "ok", status: 101, ...bytes } }]);
  expect(seen.ends).toMatchObject([{ kind: "ok", status: 101, ...bytes }]);
});

test.each([
  ["the client's FIN", ({ client }) => client.halfClose()],
  ["the client's RST", ({ client }) => client.reset()],
  ["the upstream's FIN", ({ peer }) => peer.close()],
  ["the upstream's RST", ({ peer }) => peer.reset()],
] as readonly (readonly [string, (ends: { client: RawClient; peer: Peer }) => unknown])[])(
  "a tunnel is one exchange, counted once, when it ends by %s",
  async (_what, leave) => {
    const seen = recorder();
    const { client, peer, wire } = await tunnel({ plugins: [seen.plugin] });
    expect(seen.ends).toHaveLength(0);
    expect(wire.proxy.status().active).toBe(1);
    await leave({ client, peer });
    await within(Promise.all([client.ending, peer.ending]), "both sides close");
    client.destroy();
    await within(seen.ended(1), "the exchange ends");
    await wire.exchange(get("/../"));
    await seen.ended(2);
    expect(seen.attempts).toHaveLength(1);
    expect(seen.attempts[0]?.outcome.status).toBe(101);
    expect(seen.attempts[0]?.target.live).toMatchObject({ inflight: 0, requests: 1 });
  },
);

test("a tunnel that is silent for longer than timeouts.idle is closed on both sides", async () => {
  const { client, peer } = await tunnel({ timeouts: { idle: 100 } });
  await within(Promise.all([client.ending, peer.ending]), "both sides close");
});

test("a tunnel on which something passes, either way, is not silent", async () => {
  const { plugin, begun } = firstExchange();
  const { client, peer } = await tunnel({ timeouts: { idle: hour }, plugins: [plugin] });
  const x = await begun();
  for (let turn = 0; turn < 2; turn++) {
    await expectWaitRenewed(x, () => client.send("ping"));
    expect((await peer.reader.take(4)).toString()).toBe("ping");
    await expectWaitRenewed(x, () => peer.write("pong"));
    expect((await client.reader.take(4)).toString()).toBe("pong");
  }
});
