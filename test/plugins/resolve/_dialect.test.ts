import type { Target } from "plugboard";
import { fakeTarget } from "plugboard/testing";
import { expect, test } from "vitest";
import { type Dialect, dialectOf, speaks } from "../../../plugins/resolve/_dialect.ts";

test.each<[Dialect, string]>([
  ["anthropic", "/v1/messages"],
  ["anthropic", "/v1/messages/"],
  ["anthropic", "/v1/messages/count_tokens"],
  ["gemini", "/v1beta/models/gemini-2.5-pro:generateContent"],
  ["gemini", "/v1beta/models"],
  ["gemini", "/v1/models/gemini-2.5-pro:generateContent"],
  ["gemini", "/v1/projects/p/locations/l/publishers/google/models/m:streamGenerateContent"],
  ["openai", "/v1/chat/completions"],
  ["openai", "/v1/models"],
  ["openai", "/v1/messagesx"],
  ["openai", "/v1/message"],
  ["openai", "/x/v1/messages"],
  ["openai", "/v1betas/models"],
  ["openai", "/v1/models/x:generateContent/y"],
  ["openai", "/"],
])("%s is the API of %s", (dialect, path) => {
  expect(dialectOf(path)).toBe(dialect);
});

test("a target speaks what its meta says, and every dialect when that says nothing", () => {
  const target = (meta: Target["meta"]): Target => fakeTarget({ meta });
  const dialects: readonly Dialect[] = ["openai", "anthropic", "gemini"];
  const spoken = (meta: Target["meta"]): Dialect[] => dialects.filter((dialect) => speaks(target(meta), dialect));
  expect(spoken({ dialects: ["anthropic"] })).toEqual(["anthropic"]);
  expect(spoken({ dialects: ["gemini", "openai"] })).toEqual(["openai", "gemini"]);
  expect(spoken({ dialects: [] })).toEqual([]);
  expect(spoken({})).toEqual(dialects);
  expect(spoken({ dialects: "openai" })).toEqual(dialects);
});
