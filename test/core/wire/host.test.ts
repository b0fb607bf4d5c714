import fc from "fast-check";
import { expect, test } from "vitest";
import { isHost } from "../../../core/wire/host.ts";

test.each([
  "a",
  "proxy.test",
  "proxy.test:8000",
  "127.0.0.1:80",
  "[::1]",
  "[::1]:8000",
  "[2001:db8::1]:443",
  "a_b.test",
  "xn--bcher-kva.example",
  "a%20b",
  "a:",
  "A.B",
])("%s is a Host (RFC 9112 3.2)", (host) => {
  expect(isHost(host)).toBe(true);
});

test.each([
  ["nothing", ""],
  ["two", "a,b"],
  ["two, with a space", "a, b"],
  ["userinfo", "u@a"],
  ["userinfo and password", "u:p@a"],
  ["a path", "a/b"],
  ["a query", "a?b"],
  ["a fragment", "a#b"],
  ["a URL", "http://a"],
  ["a space", "a b"],
  ["a tab", "a\tb"],
  ["NUL", "a\u0000b"],
  ["a line break", "a\r\nX-A: b"],
  ["a backslash", "a\\b"],
  ["a quote", 'a"b'],
  ["more than ASCII", "b\u00fccher"],
  ["a port that is none", "a:b"],
  ["two ports", "a:1:2"],
  ["a long port", "a:123456"],
  ["IPv6 without brackets", "::1"],
  ["half a bracket", "[::1"],
  ["text in brackets", "[x]"],
  ["a zone", "[fe80::1%25eth0]"],
  ["256 bytes", "a".repeat(256)],
])("%s is no Host", (_what, host) => {
  expect(isHost(host)).toBe(false);
});

test("255 bytes are the most", () => {
  expect(isHost("a".repeat(255))).toBe(true);
});

test("what was found of one says nothing of another", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("a", "b:1", "a,b", "", "a/b"), { minLength: 1 }), (hosts) => {
      for (const host of hosts) expect(isHost(host)).toBe(host === "a" || host === "b:1");
    }),
  );
});
