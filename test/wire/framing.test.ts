import { expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { get, lastChunk, message, ok } from "./messages.ts";
import { expectUntouched, openWire } from "./open-wire.ts";
import { within } from "./waiting.ts";

const smuggled = get("/smuggled");
const framed = (...headers: string[]): string => message(["POST / HTTP/1.1", "Host: a", ...headers], lastChunk);
const line = (header: string): string => message(["GET / HTTP/1.1", "Host: a", header]);

const refused: readonly (readonly [what: string, bytes: string])[] = [
  ["a length and chunks", framed("Content-Length: 5", "Transfer-Encoding: chunked")],
  ["chunks and a length", framed("Transfer-Encoding: chunked", "Content-Length: 5")],
  ["chunks and a length of 0", framed("Transfer-Encoding: chunked", "Content-Length: 0")],
  ["the same length twice", framed("Content-Length: 5", "Content-Length: 5")],
  ["two lengths", framed("Content-Length: 5", "Content-Length: 6")],
  ["two lengths in two cases", framed("Content-Length: 5", "content-length: 6")],
  ...["+5", "0x5", "1_0", "-1", "", "5,5", "5, 6", "5 5", "5;", "five", "99999999999999999999999"].map(
    (length) => [`the length ${JSON.stringify(length)}`, framed(`Content-Length: ${length}`)] as const,
  ),
  ["an empty length before a length", framed("Content-Length:", "Content-Length: 5")],
  ...[
    ",chunked",
    "chunked,",
    "",
    "chunked;x",
    "xchunked",
    "chunkedx",
    "\x0bchunked",
    "\x0cchunked",
    "\xa0chunked",
    '"chunked"',
    "chunked, chunked",
    "chunked, identity",
    "identity",
  ].map((coding) => [`the coding ${JSON.stringify(coding)}`, framed(`Transfer-Encoding: ${coding}`)] as const),
  ["an empty coding and a length", framed("Transfer-Encoding:", "Content-Length: 5")],
  ["an odd coding and a length", framed("Transfer-Encoding: ,chunked", "Content-Length: 5")],
  ["the coding twice", framed("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")],
  ["a coding, then another", framed("Transfer-Encoding: chunked", "Transfer-Encoding: identity")],
  ["a space before the colon of the coding", framed("Transfer-Encoding : chunked")],
  ["a folded coding", framed("Transfer-Encoding:\r\n chunked")],
  ["chunks in HTTP/1.0", message(["POST / HTTP/1.0", "Host: a", "Transfer-Encoding: chunked"], lastChunk)],
  ["a folded line", line("X-A: a\r\n b")],
  ["a space before the colon", line("X-A : a")],
  ["a tab before the colon", line("X-A\t: a")],
  ["a line that starts with a space", message(["GET / HTTP/1.1", " X-A: a", "Host: a"])],
  ["a line without a colon", line("X-A")],
  ["a line without a name", line(": a")],
  ["NUL in a value", line("X-A: a\0b")],
  ["CR in a value", line("X-A: a\rb")],
  ["a control character in a value", line("X-A: a\x01b")],
  ["NUL in a name", line("X\0A: a")],
  ["a byte over 0x7f in a name", line("X\xe9A: a")],
  ["a slash in a name", line("X/A: a")],
  ["a space after the request line's version", message(["GET / HTTP/1.1 ", "Host: a"])],
  ["lines that end in LF", "GET / HTTP/1.1\nHost: a\n\n"],
  ["LF in the request line", "GET /\nHTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a minor version of two digits", message(["GET / HTTP/1.32", "Host: a"])],
  ["a protocol that is not HTTP", message(["GET / HTTX/1.1", "Host: a"])],
  ["a method in lower case", message(["get / HTTP/1.1", "Host: a"])],
];

test.each(refused)("%s: what stands behind it is not served either", async (_what, bytes) => {
  const wire = await openWire(answering(ok()));
  // A connection to the upstream that stands: what is sent now would be there at once.
  expect((await wire.exchange(get("/first"))).status).toBe(200);
  const client = await wire.client();
  await client.send(bytes + smuggled);
  expect((await client.response()).status).toBe(400);
  await within(client.ending, "the connection is closed");
  expect((await wire.exchange(get("/last"))).status).toBe(200);
  expect(wire.upstream.requests.map(({ path }) => path)).toEqual(["/first", "/last"]);
});

test.each(refused)("%s: 400, closed, and nothing reaches the upstream", async (_what, bytes) => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  await client.send(bytes + smuggled);
  const response = await client.response();
  expect(response).toMatchObject({ status: 400, ending: "complete" });
  expect(response.get("connection")).toBe("close");
  await within(client.ending, "the connection closes");
  await expectUntouched(wire);
});

test("another coding than chunked: 400 or 501, closed, and nothing reaches the upstream", async () => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  await client.send(framed("Transfer-Encoding: gzip, chunked") + smuggled);
  expect([400, 501]).toContain((await client.response()).status);
  await within(client.ending, "the connection closes");
  await expectUntouched(wire);
});

test.each([
  ["HTTP/0.9", "GET /\r\n\r\n"],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["HTTP/2.0 in a request line", message(["GET / HTTP/2.0", "Host: a"])],
  ["HTTP/3.0 in a request line", message(["GET / HTTP/3.0", "Host: a"])],
])("%s: 505 or 400, closed", async (_what, bytes) => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  await client.send(bytes);
  expect([400, 505]).toContain((await client.response()).status);
  await within(client.ending, "the connection closes");
  await expectUntouched(wire);
});

test.each([
  ["a size with 0x", "0x5\r\nhello\r\n"],
  ["a size with a sign", "+5\r\nhello\r\n"],
  ["a negative size", "-5\r\nhello\r\n"],
  ["an empty size", "\r\nhello\r\n"],
  ["a size over 64 bits", "10000000000000005\r\nhello\r\n"],
  ["a size that ends in LF", "5\nhello\r\n"],
  ["a size that ends in CR", "5\rhello\r\n"],
  ["data longer than its size", "4\r\nhello\r\n"],
  ["data that does not end in CRLF", "5\r\nhello0\r\n"],
  ["data that ends in LF", "5\r\nhello\n"],
  ["an extension with NUL", "5;\0\r\nhello\r\n"],
  ["an extension with LF", "5;a\nb\r\nhello\r\n"],
  ["an extension of 64 KiB", `5;${"a".repeat(65_536)}\r\nhello\r\n`],
])("%s ends the connection, and the upstream never sees the body's end", async (_what, bytes) => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  await client.send(
    message(["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], bytes + lastChunk + smuggled),
  );
  const status = await client.response().then(
    (response) => response.status,
    () => "closed",
  );
  expect([400, 413, "closed"]).toContain(status);
  await within(client.ending, "the connection closes");
  await wire.exchange(get("/after"));
  const received = wire.upstream.received.toString("latin1").replace(/GET \/after[^]*/, "");
  expect(received).not.toContain("smuggled");
  expect(received).not.toContain(lastChunk);
});
