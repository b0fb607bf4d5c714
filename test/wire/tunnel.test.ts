import { expect, test } from "vitest";
import type { Peer } from "./evil-upstream.ts";
import { get, handshake, ok, switching } from "./messages.ts";
import { openWire, type Wire, type WireOptions } from "./open-wire.ts";
import type { RawClient } from "./raw-client.ts";
import { recorder } from "./recorder.ts";
import { within } from "./waiting.ts";

async function tunnel(options?: WireOptions): Promise<{ wire: Wire; client: RawClient; peer: Peer }> {
  const wire = await openWire(undefined, options);
  const client = await wire.client();
  await client.send(handshake);
  const peer = await wire.upstream.accept();
  await peer.request();
  await peer.write(switching());
  expect((await client.head()).status).toBe(101);
  return { wire, client, peer };
}

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

const leavings = ["halfClose", "reset"] as const;

test.each(leavings)("a tunnel ends for the upstream when the client leaves by %s", async (leave) => {
  const { client, peer } = await tunnel();
  client[leave]();
  await within(peer.ending, "the upstream's side closes");
});

test.each(leavings)("a tunnel ends for the client when the upstream leaves by %s", async (leave) => {
  const { client, peer } = await tunnel();
  await peer[leave]();
  await within(client.ending, "the client's side closes");
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
