import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { chunk, get, lastChunk, message, ok, okChunked, okEvents } from "./messages.ts";
import { openAsked, openWire } from "./open-wire.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test("each chunk is forwarded before the next one is there", async () => {
  const { client, peer } = await openAsked();
  await peer.write(okEvents());
  const response = await client.head();
  for (let index = 0; index < 20; index++) {
    await peer.write(chunk(`data: ${index}\n\n`));
    expect((await response.next())?.data.toString()).toBe(`data: ${index}\n\n`);
  }
  await peer.write(lastChunk);
  expect((await response.whole()).ending).toBe("complete");
});

const framings: readonly (readonly [what: string, frame: (body: Buffer) => Buffer])[] = [
  [
    "a length",
    (body) => Buffer.concat([Buffer.from(message(["HTTP/1.1 200 OK", `Content-Length: ${body.length}`])), body]),
  ],
  [
    "one chunk",
    (body) =>
      Buffer.concat([
        Buffer.from(`${okChunked()}${body.length.toString(16)}\r\n`),
        body,
        Buffer.from(`\r\n${lastChunk}`),
      ]),
  ],
  [
    "the end of the connection",
    (body) => Buffer.concat([Buffer.from(message(["HTTP/1.1 200 OK", "Connection: close"])), body]),
  ],
];

test.each(framings)("500 kilobytes of noise framed by %s arrive unchanged", async (what, frame) => {
  const noise = randomBytes(500_000);
  const wire = await openWire(async (peer) => {
    await peer.request();
    await peer.write(frame(noise));
    if (what.includes("end")) await peer.halfClose();
  });
  const response = await wire.exchange(get("/"));
  expect(response.ending).toBe("complete");
  expect(sha256(response.body)).toBe(sha256(noise));
});

test.each([
  ["whole", (bytes: Buffer) => bytes],
  ["corrupt", (bytes: Buffer) => bytes.subarray(0, 20)],
])("a gzip body that is %s is passed on as it is", async (_what, cut) => {
  const zipped = cut(gzipSync("hello ".repeat(100)));
  const wire = await openWire(answering(ok(zipped.toString("latin1"), "Content-Encoding: gzip")));
  const response = await wire.exchange(get("/", "Accept-Encoding: gzip"));
  expect(response.get("content-encoding")).toBe("gzip");
  expect(response.body.equals(zipped)).toBe(true);
  expect(wire.upstream.requests[0]?.get("accept-encoding")).toBe("gzip");
});

test("an event stream in single bytes arrives as it is: CR, CRLF, BOM, split UTF-8", async () => {
  const events = Buffer.from("\ufeffdata: é\r\rdata: 2\r\n\r\n: comment\n\nid: 1\nretry: 5\ndata: 🙂\n\n");
  const wire = await openWire(
    answering(okEvents() + Array.from(events, (byte) => chunk(String.fromCodePoint(byte))).join("") + lastChunk),
  );
  expect((await wire.exchange(get("/"))).body.equals(events)).toBe(true);
});

test("an event stream gets no length, no compression and keeps what forbids them", async () => {
  const head = okChunked(
    "Content-Type: text/event-stream",
    "Cache-Control: no-cache, no-transform",
    "X-Accel-Buffering: no",
  );
  const wire = await openWire(answering(head + chunk("data: 1\n\n") + lastChunk));
  const response = await wire.exchange(get("/", "Accept-Encoding: gzip"));
  expect(response.get("content-length")).toBeUndefined();
  expect(response.get("content-encoding")).toBeUndefined();
  expect(response.get("cache-control")).toBe("no-cache, no-transform");
  expect(response.get("x-accel-buffering")).toBe("no");
});
