import { get, lastChunk, message } from "./messages.ts";

/** What it is, and the bytes of a request that must be refused; it is named "hostile", and what it hides "smuggled". */
export type HostileCase = readonly [what: string, bytes: string];

export const smuggled: string = get("/smuggled");

/** A POST framed by these lines, its body good for both framings, and a second request in it. */
const framed = (...lines: string[]): string =>
  message(["POST /hostile HTTP/1.1", "Host: a", ...lines], `5\r\nhello\r\n${lastChunk}${smuggled}`);
const line = (text: string): string => message(["GET /hostile HTTP/1.1", "Host: a", text]);
const named = (what: string, ...lines: string[]): HostileCase => [what, framed(...lines)];

export const bothFramings: readonly HostileCase[] = [
  named("a length and chunks", "Content-Length: 5", "Transfer-Encoding: chunked"),
  named("chunks and a length", "Transfer-Encoding: chunked", "Content-Length: 5"),
  named("chunks and a length of 0", "Transfer-Encoding: chunked", "Content-Length: 0"),
  named("a length of 0 and chunks", "Content-Length: 0", "Transfer-Encoding: chunked"),
  named("chunks in odd case and a length", "tRANSFER-eNCODING: Chunked", "Content-Length: 5"),
];

const oddLengths = [
  "+5",
  "-1",
  "0x5",
  "1_0",
  "0b1",
  "5.0",
  "5,5",
  "5, 6",
  "5 5",
  "5\t6",
  "5;",
  "",
  "five",
  "99999999999999999999999",
];

export const lengths: readonly HostileCase[] = [
  ...oddLengths.map((length) => named(`the length ${JSON.stringify(length)}`, `Content-Length: ${length}`)),
  named("the same length twice", "Content-Length: 5", "Content-Length: 5"),
  named("two lengths", "Content-Length: 5", "Content-Length: 6"),
  named("two lengths in two cases", "Content-Length: 5", "content-length: 6"),
  named("an empty length before a length", "Content-Length:", "Content-Length: 5"),
];

const oddCodings = [
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
];
const namedCoding = (coding: string): HostileCase =>
  named(`the coding ${JSON.stringify(coding)}`, `Transfer-Encoding: ${coding}`);

export const codings: readonly HostileCase[] = [
  ...oddCodings.map(namedCoding),
  named("an empty coding and a length", "Transfer-Encoding:", "Content-Length: 5"),
  named("an odd coding and a length", "Transfer-Encoding: ,chunked", "Content-Length: 5"),
  named("the coding twice", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
  named("a coding, then another", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
  named("a space before the colon of the coding", "Transfer-Encoding : chunked"),
  named("a folded coding", "Transfer-Encoding:\r\n chunked"),
  [
    "chunks in HTTP/1.0",
    message(["POST /hostile HTTP/1.0", "Host: a", "Transfer-Encoding: chunked"], lastChunk + smuggled),
  ],
];

/** Codings that HTTP knows: 501 is as good as 400. */
export const otherCodings: readonly HostileCase[] = ["gzip, chunked", "chunked, gzip", "gzip"].map(namedCoding);

export const headerLines: readonly HostileCase[] = [
  ["a folded line", line("X-A: a\r\n b")],
  ["a space before the colon", line("X-A : a")],
  ["a tab before the colon", line("X-A\t: a")],
  ["a line that starts with a space", message(["GET /hostile HTTP/1.1", " X-A: a", "Host: a"])],
  ["a line without a colon", line("X-A")],
  ["a line without a name", line(": a")],
  ["NUL in a value", line("X-A: a\0b")],
  ["CR in a value", line("X-A: a\rb")],
  ["LF in a value", line("X-A: a\nb")],
  ["a control character in a value", line("X-A: a\x01b")],
  ["NUL in a name", line("X\0A: a")],
  ["a byte over 0x7f in a name", line("X\xe9A: a")],
  ["a slash in a name", line("X/A: a")],
];

export const requestLines: readonly HostileCase[] = [
  ["lines that end in LF", "GET /hostile HTTP/1.1\nHost: a\n\n"],
  ["LF in the request line", "GET /hostile\nHTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a space after the request line's version", message(["GET /hostile HTTP/1.1 ", "Host: a"])],
  ["a minor version of two digits", message(["GET /hostile HTTP/1.32", "Host: a"])],
  ["a protocol that is not HTTP", message(["GET /hostile HTTX/1.1", "Host: a"])],
  ["a method in lower case", message(["get /hostile HTTP/1.1", "Host: a"])],
];

/** Versions that are none of HTTP/1: 505 is as good as 400. */
export const otherVersions: readonly HostileCase[] = [
  ["HTTP/0.9", "GET /hostile\r\n\r\n"],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["HTTP/2.0 in a request line", message(["GET /hostile HTTP/2.0", "Host: a"])],
  ["HTTP/3.0 in a request line", message(["GET /hostile HTTP/3.0", "Host: a"])],
];

const brokenChunks: readonly HostileCase[] = [
  ["a size with 0x", "0x5\r\nhello\r\n"],
  ["a size with a sign", "+5\r\nhello\r\n"],
  ["a negative size", "-5\r\nhello\r\n"],
  ["an empty size", "\r\nhello\r\n"],
  ["a size behind a space", " 5\r\nhello\r\n"],
  ["a size over 64 bits", "10000000000000005\r\nhello\r\n"],
  ["a size that ends in LF", "5\nhello\r\n"],
  ["a size that ends in CR", "5\rhello\r\n"],
  ["data longer than its size", "4\r\nhello\r\n"],
  ["data that does not end in CRLF", "5\r\nhello0\r\n"],
  ["data that ends in LF", "5\r\nhello\n"],
  ["an extension with NUL", "5;\0\r\nhello\r\n"],
  ["an extension with LF", "5;a\nb\r\nhello\r\n"],
  ["an extension of 64 KiB", `5;${"a".repeat(65_536)}\r\nhello\r\n`],
];

/** Requests whose head is good: what is wrong is found when they are under way. */
export const chunkedBodies: readonly HostileCase[] = brokenChunks.map(([what, bytes]) => [
  what,
  message(["POST /chunks HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], bytes + lastChunk + smuggled),
]);
