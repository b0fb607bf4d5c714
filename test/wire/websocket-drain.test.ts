import { describe, expect, test } from "vitest";
import type { ByteReader } from "./byte-reader.ts";
import { recorder } from "./recorder.ts";
import { within } from "./waiting.ts";
import { openTunnel, webSocketFrame as frame } from "./websocket.ts";

// What a WebSocket is told when the proxy ends it: Close with 1001, at a frame boundary, or nothing.

const goingAway = "\x88\x02\x03\xe9";

/** All that came behind what was read. */
async function rest(reader: ByteReader): Promise<string> {
  await within(reader.ending, "the connection ends");
  return (await reader.some(1_000))?.toString("latin1") ?? "";
}

/** What a client's frame says. */
function unmasked(bytes: string): string {
  const wire = Buffer.from(bytes, "latin1");
  if (wire.length < 6 || wire[1] !== (0x80 | (wire.length - 6))) return `not one masked frame: ${wire.toString("hex")}`;
  const payload = wire.subarray(6).map((byte, index) => byte ^ (wire[2 + (index % 4)] as number));
  return String.fromCharCode(wire[0] as number, payload.length) + Buffer.from(payload).toString("latin1");
}

describe("at the deadline of a drain", () => {
  test("a WebSocket that is quiet is told on both sides, and both are ended, not reset", async () => {
    const seen = recorder();
    const { wire, client, peer } = await openTunnel({ plugins: [seen.plugin] });
    await client.send(frame("hi", { masked: true }));
    await peer.reader.take(8);
    await peer.write(frame("ho"));
    await client.reader.take(4);
    await within(wire.proxy.close({ deadline: 0 }), "close() resolves");
    expect(await rest(client.reader)).toBe(goingAway);
    expect(unmasked(await rest(peer.reader))).toBe(goingAway);
    expect([await client.ending, await peer.ending]).toEqual(["fin", "fin"]);
    await within(seen.ended(1), "the exchange ends");
    expect(seen.attempts.map(({ outcome }) => [outcome.kind, outcome.error?.code])).toEqual([["local", "draining"]]);
    expect(seen.attempts[0]?.target.live).toMatchObject({ inflight: 0, failures: 0 });
    expect(seen.ends).toMatchObject([{ kind: "local", status: 101, bytesIn: 8, bytesOut: 4 }]);
  });

  test("between the frames of one message is between two frames", async () => {
    const { wire, client, peer } = await openTunnel();
    await peer.write(frame("half", { final: false }));
    await client.reader.take(6);
    await wire.proxy.close({ deadline: 0 });
    expect(await rest(client.reader)).toBe(goingAway);
  });

  test.each([
    ["the first byte", 1],
    ["a piece of the length", 3],
    ["a piece of the payload", 100],
    ["all but a byte", 203],
  ])("a frame to the client of which %s has passed is cut, and only the upstream is told", async (_what, passed) => {
    const { wire, client, peer } = await openTunnel();
    await peer.write(frame("a".repeat(200)).subarray(0, passed));
    await client.reader.take(passed);
    await wire.proxy.close({ deadline: 0 });
    expect(await rest(client.reader)).toBe("");
    expect(unmasked(await rest(peer.reader))).toBe(goingAway);
  });

  test("a frame to the upstream that is under way is cut, and only the client is told", async () => {
    const { wire, client, peer } = await openTunnel();
    await client.send(frame("a".repeat(200), { masked: true }).subarray(0, 5));
    await peer.reader.take(5);
    await wire.proxy.close({ deadline: 0 });
    expect(await rest(client.reader)).toBe(goingAway);
    expect(await rest(peer.reader)).toBe("");
  });

  test("who was told Close by the other side already is not told again", async () => {
    const { wire, client, peer } = await openTunnel();
    await peer.write(frame("\x03\xe8", { opcode: 8 }));
    await client.reader.take(4);
    await wire.proxy.close({ deadline: 0 });
    expect(await rest(client.reader)).toBe("");
    expect(unmasked(await rest(peer.reader))).toBe(goingAway);
  });

  test("a frame that came together with the handshake counts", async () => {
    const { wire, client, peer } = await openTunnel();
    await client.send(frame("a", { masked: true }).subarray(0, 1));
    await peer.reader.take(1);
    await wire.proxy.close({ deadline: 0 });
    expect(await rest(peer.reader)).toBe("");
  });

  test("another protocol is told nothing that it could misread, and sees that it was cut", async () => {
    const { wire, client, peer } = await openTunnel({ upgrades: ["chat"] }, "chat");
    await wire.proxy.close({ deadline: 0 });
    expect([await rest(client.reader), await rest(peer.reader)]).toEqual(["", ""]);
    expect([await client.ending, await peer.ending]).toEqual(["reset", "reset"]);
  });

  test("a client that does not read holds nothing up", async () => {
    const seen = recorder();
    const { wire, client, peer } = await openTunnel({ plugins: [seen.plugin] });
    client.pause();
    void peer.write(frame("a".repeat(16_000_000)));
    await within(wire.proxy.close({ deadline: 0 }), "close() resolves");
    await within(seen.ended(1), "the exchange ends");
    await within(peer.ending, "the upstream's side closes");
  });
});

test("a WebSocket that is idle for too long is told so too", async () => {
  const { client, peer } = await openTunnel({ timeouts: { idle: 100 } });
  expect(await rest(client.reader)).toBe(goingAway);
  expect(unmasked(await rest(peer.reader))).toBe(goingAway);
});

test("a client that is told and never closes its side is let go all the same", async () => {
  const seen = recorder();
  const { wire, client } = await openTunnel({ timeouts: { idle: 100 }, plugins: [seen.plugin] });
  expect(await rest(client.reader)).toBe(goingAway);
  await within(seen.ended(1), "the exchange ends");
  expect(seen.ends).toMatchObject([{ kind: "stalled", status: 101, error: { code: "tunnel_idle" } }]);
  // Either side may be the one that has nothing to say.
  expect(wire.proxy.pools()[0]?.snapshot.all[0]?.live.failures).toBe(0);
  expect(wire.proxy.status().active).toBe(0);
});
