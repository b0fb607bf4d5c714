import { expect, test } from "vitest";
import { message } from "./messages.ts";
import { errorCode, openAsked } from "./open-wire.ts";
import { within } from "./waiting.ts";

// What an upstream may answer that is no HTTP response.

const evilHead = (...lines: string[]): string => message([...lines, "X-Evil: evil"], "evil");
const ok200 = "HTTP/1.1 200 OK";

const bad: readonly (readonly [what: string, bytes: string])[] = [
  ["garbage", "evil\r\n\r\n"],
  ["the answer of a TLS server", "\x15\x03\x01\x00\x02\x02\x46"],
  ["the answer of an SMTP server", "220 evil ESMTP\r\n"],
  ["a status of five digits", evilHead("HTTP/1.1 99999 OK")],
  ["a status of two digits", evilHead("HTTP/1.1 20 OK")],
  ["a status of 000", evilHead("HTTP/1.1 000 OK", "Content-Length: 4")],
  ["a version that does not exist", evilHead("HTTP/9.9 200 OK", "Content-Length: 4")],
  ["101 that nobody asked for", evilHead("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: evil")],
  ["NUL in a value", evilHead(ok200, "X-A: a\0b", "Content-Length: 4")],
  ["a control character in a value", evilHead(ok200, "X-A: a\x01b", "Content-Length: 4")],
  ["CR in a value", evilHead(ok200, "X-A: a\rb", "Content-Length: 4")],
  ["a folded line", evilHead(ok200, "X-A: a\r\n b", "Content-Length: 4")],
  ["a space in a name", evilHead(ok200, "X A: a", "Content-Length: 4")],
  ["a space before the colon", evilHead(ok200, "Content-Length : 4")],
  ["a line without a colon", evilHead(ok200, "evil", "Content-Length: 4")],
  ["a length and chunks", evilHead(ok200, "Content-Length: 4", "Transfer-Encoding: chunked")],
  ["two lengths", evilHead(ok200, "Content-Length: 4", "Content-Length: 5")],
  ["the same length twice", evilHead(ok200, "Content-Length: 4", "Content-Length: 4")],
  ["a list of lengths", evilHead(ok200, "Content-Length: 4, 4")],
  ["a negative length", evilHead(ok200, "Content-Length: -1")],
  ["a length with a sign", evilHead(ok200, "Content-Length: +4")],
  ["a value of 8 MB", evilHead(ok200, `X-A: ${"a".repeat(8_000_000)}`)],
  ["100,000 lines", evilHead(ok200, ...Array.from({ length: 100_000 }, (_, index) => `X-${index}: a`))],
];

test.each(bad)("%s: 502, nothing of it reaches the client, the connection is not used again", async (_what, bytes) => {
  const { client, peer } = await openAsked();
  await peer.write(bytes);
  const response = await client.response();
  expect(response).toMatchObject({ status: 502, ending: "complete" });
  expect(errorCode(response)).toBe("upstream_protocol");
  expect(client.reader.received.toString("latin1")).not.toContain("evil");
  await within(peer.ending, "the connection to the upstream closes");
});
