import { expect, test } from "vitest";
import { get, handshake, ok, switching } from "./messages.ts";
import { openWire, type Wire } from "./open-wire.ts";
import { deferred, within } from "./waiting.ts";
import type { Peer } from "./evil-upstream.ts";
import type { RawClient } from "./raw-client.ts";
import { webSocketFrame } from "./websocket.ts";

const piece = webSocketFrame("a".repeat(65_522));
const pieces = 1_024;
const size = pieces * piece.length;
/** Both kernels' socket buffers on loopback and what Node reads ahead; an unbounded proxy takes all of `size`. */
const bound = 32 * 1_048_576;

interface Feed {
  sent: number;
}

function feed(write: (bytes: Uint8Array) => Promise<void>): Feed {
  const state: Feed = { sent: 0 };
  const run = async (): Promise<void> => {
    for (let index = 0; index < pieces; index++) {
      await write(piece);
      state.sent += piece.length;
    }
  };
  void run();
  return state;
}

/** Settles when nothing moved during 30 exchanges in a row through the same proxy, or all of it went through. */
async function stuck(source: Feed, wire: Wire): Promise<number> {
  for (let still = 0, before = -1; still < 30 && source.sent < size;) {
    expect((await wire.exchange(get("/tick"))).status).toBe(200);
    still = source.sent === before ? still + 1 : 0;
    before = source.sent;
  }
  return source.sent;
}

async function open(): Promise<{ wire: Wire; client: RawClient; peer: Peer }> {
  const joined = deferred();
  let tunnelled: Peer | undefined;
  const wire = await openWire(async (peer) => {
    for (;;) {
      const { path } = await peer.request();
      if (path !== "/socket") await peer.write(ok());
      else {
        await peer.write(switching());
        tunnelled = peer;
        return joined.resolve();
      }
    }
  });
  const client = await wire.client();
  await client.send(handshake);
  await within(joined.promise, "the upstream agrees");
  expect((await client.head()).status).toBe(101);
  return { wire, client, peer: tunnelled as unknown as Peer };
}

test("a client that does not read holds the upstream, and gets everything when it reads again", async () => {
  const { wire, client, peer } = await open();
  client.pause();
  const source = feed(peer.write);
  expect(await stuck(source, wire)).toBeLessThan(bound);
  client.resume();
  for (let left = size; left > 0; left -= piece.length)
    expect((await client.reader.take(piece.length)).equals(piece)).toBe(true);
}, 30_000);

test("an upstream that does not read holds the client, and gets everything when it reads again", async () => {
  const { wire, client, peer } = await open();
  peer.stopReading();
  const source = feed(client.send);
  expect(await stuck(source, wire)).toBeLessThan(bound);
  expect(source.sent).toBeGreaterThan(0);
  peer.startReading();
  for (let left = size; left > 0; left -= piece.length)
    expect((await peer.reader.take(piece.length)).equals(piece)).toBe(true);
}, 30_000);

test("one direction that is held does not hold the other", async () => {
  const { wire, client, peer } = await open();
  client.pause();
  await stuck(feed(peer.write), wire);
  await client.send(piece);
  expect((await within(peer.reader.take(piece.length), "it arrives")).equals(piece)).toBe(true);
}, 30_000);
