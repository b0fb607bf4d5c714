import { expect, test } from "vitest";
import { suggest } from "../../../core/config/suggest.ts";

const options = ["targets", "selector", "description", "port", "id", "least-connections", "round-robin"];

test.each([
  ["target", "targets"],
  ["selecter", "selector"],
  ["prot", "port"],
  ["descripton", "description"],
  ["leastConnections", "least-connections"],
  ["PORT", "port"],
  ["roundrobin", "round-robin"],
  ["prots", "port"],
])("takes %s for %s", (word, meant) => {
  expect(suggest(word, options)).toBe(meant);
});

test.each(["", "x", "zebra", "elephants", "ix"])("has nothing to offer for %j", (word) => {
  expect(suggest(word, options)).toBeUndefined();
});

test("counts two swapped letters as one slip", () => {
  expect(suggest("abc", ["acb"])).toBe("acb");
  expect(suggest("abc", ["cba"])).toBeUndefined();
});

test("prefers the nearer candidate, and the first of two that are as near", () => {
  expect(suggest("models", ["modes", "model", "models"])).toBe("models");
  expect(suggest("moder", ["model", "modes"])).toBe("model");
});

test("knows no word in an empty list", () => {
  expect(suggest("port", [])).toBeUndefined();
});
