import { isJson } from "plugboard";
import { expect, test } from "vitest";

test.each([
  "application/json",
  "Application/JSON",
  "application/json;charset=utf-8",
  "application/json; charset=utf-8",
  "application/json ; charset=utf-8",
  "application/json\t;charset=utf-8",
  " application/json ",
  "application/vnd.api+json",
  "application/problem+json; charset=utf-8",
  "application/json;",
])("%j is JSON", (type) => {
  expect(isJson(type)).toBe(true);
});

test("a body without a type is taken for JSON", () => {
  expect(isJson("")).toBe(true);
});

test.each([
  "text/plain",
  "text/plain; application/json",
  "text/plain;a=application/json",
  "application/jsonp",
  "application/x-json",
  "application/json5",
  "application/jsonx; charset=utf-8",
  "application/x-ndjson",
  "application/json, text/plain",
  "multipart/form-data; boundary=json",
  "image/svg+json",
  "json",
  ";application/json",
])("%j is not", (type) => {
  expect(isJson(type)).toBe(false);
});
