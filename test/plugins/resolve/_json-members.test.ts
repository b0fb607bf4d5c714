import { isProxyError } from "plugboard";
import { describe, expect, test } from "vitest";
import { findMembers, type Members, toMemberName } from "../../../plugins/resolve/_json-members.ts";
import { scanModel } from "../../../plugins/resolve/_model-scan.ts";

const find = (body: string, ...names: string[]): Members | undefined =>
  findMembers(Buffer.from(body), names.map(toMemberName));

test("finds each member with the offsets of its value", () => {
  const body = '{"b": 1, "a":"x","\\u0062":[2]}';
  const members = find(body, "a", "b");
  expect(members).toEqual({ found: [1, 6, 7, 0, 13, 16, 1, 26, 29], end: 29, empty: false });
  expect([body.slice(6, 7), body.slice(13, 16), body.slice(26, 29)]).toEqual(["1", '"x"', "[2]"]);
});

test("tells where an empty object can be added to", () => {
  expect(find(" { }", "a")).toEqual({ found: [], end: 2, empty: true });
});

test("a name that only escapes can write is found by its escapes", () => {
  expect(find('{"\\uD800":1,"\\n":2}', "\ud800", "\n")?.found).toEqual([0, 10, 11, 1, 17, 18]);
});

test("a name with half a surrogate pair is not U+FFFD", () => {
  expect(find('{"\ufffd":1}', "\ud800")?.found).toEqual([]);
});

const code = (run: () => unknown): string => {
  try {
    run();
    return "";
  } catch (error) {
    return isProxyError(error) ? `${error.code}: ${error.message}` : String(error);
  }
};

describe("broken JSON is refused just as for its model", () => {
  test.each([
    "{",
    '{"a',
    '{"a":1',
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{"a" 1}',
    "{a:1}",
    '{"a":[1,]}',
    '{"a":1}}',
    '{"a":1}x',
    "{}{}",
    "[1",
    '"a',
    "[]]",
    "x!",
    `{"b":${"[".repeat(1_000)}${"]".repeat(1_000)}}`,
  ])("%s", (body) => {
    const expected = code(() => scanModel(Buffer.from(body)));
    expect(expected).toMatch(/^invalid_json: /);
    expect(code(() => find(body, "a"))).toBe(expected);
  });
});
