import { describe, expect, test } from "vitest";
import { contentLength, endToEnd, trailersToSend } from "../../../core/wire/response-headers.ts";

describe("the headers that go on to the client", () => {
  test("are all but those of the connection, in their order, with our Via", () => {
    const given = { "x-b": "2", connection: "close", "x-a": "1", "keep-alive": "timeout=5", "content-type": "a/b" };
    expect(Object.entries(endToEnd(given))).toEqual([
      ["x-b", "2"],
      ["x-a", "1"],
      ["content-type", "a/b"],
      ["via", "1.1 plugboard"],
    ]);
  });

  test.each([
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "alt-svc",
  ])("are without %s", (name) => {
    expect(endToEnd({ [name]: "x" })).not.toHaveProperty([name]);
  });

  test.each([
    ["X-A, x-b", ["x-c"]],
    ["close, X-A", ["x-b", "x-c"]],
    [["X-A", "X-C"], ["x-b"]],
    ["close", ["x-a", "x-b", "x-c"]],
  ])("are without those that Connection %j names", (connection, left) => {
    const kept = endToEnd({ "x-a": "1", "x-b": "2", "x-c": "3", connection });
    expect(Object.keys(kept)).toEqual([...left, "via"]);
  });

  test("keep a list as a list", () => {
    expect(endToEnd({ "set-cookie": ["a=1", "b=2"] })["set-cookie"]).toEqual(["a=1", "b=2"]);
  });

  test("add our Via behind those of others", () => {
    expect(endToEnd({ via: "1.1 nginx" }).via).toBe("1.1 nginx, 1.1 plugboard");
    expect(endToEnd({ via: ["1.1 a", "1.0 b"] }).via).toMatch(/^1\.1 a, ?1\.0 b, 1\.1 plugboard$/);
  });

  test("are an object without a past: a header may have any name", () => {
    const kept = endToEnd(JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>);
    expect(Object.getPrototypeOf(kept)).toBeNull();
    expect(Object.keys(kept)).toEqual(["__proto__", "constructor", "via"]);
  });

  test("leave what was given as it was", () => {
    const given = Object.freeze({ connection: "x-a", "x-a": "1" });
    endToEnd(given);
    expect(given).toEqual({ connection: "x-a", "x-a": "1" });
  });
});

test.each([
  ["0", 0],
  ["5", 5],
  ["0005", 5],
  ["999999999999999", 999_999_999_999_999],
  [undefined, -1],
  ["", -1],
  ["-1", -1],
  ["+1", -1],
  ["1.5", -1],
  ["1e3", -1],
  ["0x5", -1],
  ["5, 5", -1],
  [["5", "5"], -1],
  ["9".repeat(16), -1],
])("a Content-Length of %j promises %d bytes", (value, expected) => {
  expect(contentLength({ "content-length": value })).toBe(expected);
});

describe("trailers", () => {
  test("go on one by one", () => {
    expect(trailersToSend({ "x-checksum": "abc", "x-twice": ["1", "2"], "x-none": undefined })).toEqual([
      ["x-checksum", "abc"],
      ["x-twice", "1"],
      ["x-twice", "2"],
    ]);
  });

  test.each([
    "authorization",
    "set-cookie",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "host",
    "cache-control",
    "trailer",
    "www-authenticate",
  ])("do not go on when they are %s (RFC 9110 6.5.1)", (name) => {
    expect(trailersToSend({ [name]: "x" })).toEqual([]);
  });
});
