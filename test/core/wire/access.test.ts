import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { isForeignPage, isLoopbackHost, peerOf, strangerOf, tokenCheck } from "../../../core/wire/access.ts";

const request = (remoteAddress: string | undefined, headers: IncomingHttpHeaders = {}): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: { host: "localhost", ...headers } }) as unknown as IncomingMessage;

test.each([
  ["127.0.0.1", "127.0.0.1"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["::ffff:a:b", "::ffff:a:b"],
  ["::1", "::1"],
  // Made in this process; the other one has left.
  ["", "127.0.0.1"],
  [undefined, ""],
])("the peer of an address %s is %s", (address, peer) => {
  expect(peerOf(request(address))).toBe(peer);
});

test.each([
  ["127.0.0.1", true],
  ["127.255.0.9", true],
  ["localhost", true],
  ["LocalHost", true],
  ["[::1]", true],
  ["::1", true],
  ["::ffff:127.0.0.1", true],
  ["", false],
  ["0.0.0.0", false],
  ["::", false],
  ["127.1", false],
  ["127.0.0.1.evil.example", false],
  ["localhost.evil.example", false],
  ["localhost.", false],
  ["2130706433", false],
  ["0x7f000001", false],
  ["::ffff:10.0.0.1", false],
  ["1127.0.0.1", false],
])("the host %s is this machine: %s", (host, is) => {
  expect(isLoopbackHost(host)).toBe(is);
});

describe("a stranger is told", () => {
  test.each<[string, string | undefined, IncomingHttpHeaders]>([
    ["address", "10.0.0.1", {}],
    ["address", undefined, {}],
    ["address", "10.0.0.1", { host: "127.0.0.1", "x-forwarded-for": "127.0.0.1" }],
    ["forwarded", "127.0.0.1", { "x-forwarded-for": "127.0.0.1" }],
    ["forwarded", "127.0.0.1", { forwarded: "" }],
    ["host", "127.0.0.1", { host: "evil.example:80" }],
    ["host", "127.0.0.1", { host: undefined }],
    ["page", "127.0.0.1", { origin: "http://localhost:81" }],
  ])("by %s: %s %o", (by, address, headers) => {
    expect(strangerOf(request(address, headers))).toBe(by);
  });

  test("and this machine is none", () => {
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""])
      for (const host of ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
        expect(strangerOf(request(address, { host }))).toBeUndefined();
  });
});

test.each<[IncomingHttpHeaders, boolean]>([
  [{}, false],
  [{ origin: "http://localhost" }, false],
  [{ origin: "https://localhost" }, false],
  [{ origin: "http://localhost:1" }, true],
  [{ origin: "http://evil.example" }, true],
  [{ origin: "null" }, true],
  [{ origin: "" }, true],
  [{ "sec-fetch-site": "same-origin" }, false],
  [{ "sec-fetch-site": "none" }, false],
  [{ "sec-fetch-site": "same-site" }, true],
  [{ "sec-fetch-site": "cross-site", origin: "http://localhost" }, true],
])("with %o it is a page of another site: %s", (headers, is) => {
  expect(isForeignPage(request("127.0.0.1", headers))).toBe(is);
});

test.each([
  ["Bearer 0123456789abcdef", true],
  ["bearer  0123456789abcdef", true],
  ["Bearer 0123456789abcdeF", false],
  ["Bearer 0123456789abcdef0", false],
  ["Bearer", false],
  ["Basic 0123456789abcdef", false],
  ["0123456789abcdef", false],
  [undefined, false],
])("the token is shown by %s: %s", (authorization, is) => {
  expect(tokenCheck("0123456789abcdef")({ headers: { authorization } })).toBe(is);
});
