import { expect, test } from "vitest";
import { get, message, ok, postHead } from "./messages.ts";
import { openWire, type Wire } from "./open-wire.ts";

const piece = Buffer.alloc(65_536, "a");
const pieces = 1_024;
const size = pieces * piece.length;
/** Both kernels' socket buffers on loopback and what Node reads ahead; an unbounded proxy takes all of `size`. */
const bound = 32 * 1_048_576;

interface Feed {
  readonly sent: number;
  readonly done: Promise<void>;
}

/** Writes `size` bytes, each piece when the one before it was taken. */
function feed(write: (bytes: Uint8Array) => Promise<void>): Feed {
  let sent = 0;
  const run = async (): Promise<void> => {
    for (let index = 0; index < pieces; index++) {
      await write(piece);
      sent += piece.length;
    }
  };
  const done = run();
  return {
    get sent() {
      return sent;
    },
    done,
  };
}

/** Settles when nothing moved during 30 exchanges in a row through the same proxy, or all of it went through. */
async function stuck(source: Feed, other: Wire): Promise<number> {
  for (let still = 0, last = -1; still < 30 && source.sent < size;) {
    expect((await other.exchange(get("/tick"))).status).toBe(200);
    still = source.sent === last ? still + 1 : 0;
    last = source.sent;
  }
  return source.sent;
}

test(
  "a client that does not read pauses the upstream, and gets everything when it reads again",
  { timeout: 30_000 },
  async () => {
    const sources: Feed[] = [];
    const wire = await openWire(async (peer) => {
      for (;;) {
        const { path } = await peer.request();
        if (path === "/tick") await peer.write(ok());
        else {
          await peer.write(message(["HTTP/1.1 200 OK", `Content-Length: ${size}`]));
          sources.push(feed(peer.write));
        }
      }
    });
    const client = await wire.client();
    await client.send(get("/big"));
    const response = await client.head();
    client.pause();
    const [source] = sources;
    if (source === undefined) throw new Error("nothing is being sent");
    expect(await stuck(source, wire)).toBeLessThan(bound);
    client.resume();
    let received = 0;
    for (let chunk = await response.next(); chunk !== undefined; chunk = await response.next())
      received += chunk.data.length;
    expect(received).toBe(size);
    expect(response.ending).toBe("complete");
  },
);

test("an upstream that does not read pauses the client", { timeout: 30_000 }, async () => {
  const wire = await openWire(async (peer) => {
    for (;;) {
      const { method } = await peer.head();
      if (method === "POST") return peer.stopReading();
      await peer.write(ok());
    }
  });
  const client = await wire.client();
  await client.send(postHead("/big", size));
  const source = feed(client.send);
  expect(await stuck(source, wire)).toBeLessThan(bound);
  expect(source.sent).toBeGreaterThan(0);
});
