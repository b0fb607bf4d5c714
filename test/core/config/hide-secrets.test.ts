import { expect, test } from "vitest";
import { hideSecrets } from "../../../core/config/hide-secrets.ts";

test.each([
  ["behind a name that says so", `{ apiKey: "abc", url: "http://h" }`, `{ apiKey: "***", url: "http://h" }`],
  ["behind a name in quotes", `{ "x-api-key": 'abc' }`, `{ "x-api-key": '***' }`],
  ["in a constant", "const token = `abc`;", "const token = `***`;"],
  ["in a list", `{ keys: ["abc", "de"] }`, `{ keys: ["***", "**"] }`],
  ["as the names of a table", `{ keys: { "abc": "alice" } }`, `{ keys: { "***": "*****" } }`],
  [
    "in headers, whatever their names",
    `{ headers: { "x-a": "abc" }, b: "c" }`,
    `{ headers: { "***": "***" }, b: "c" }`,
  ],
  ["by its look", `f("sk-0123456789")`, `f("*************")`],
  ["over lines", "{ key: `a\nb` }", "{ key: `*\n*` }"],
])("a secret is hidden %s, and all else keeps its place", (_what, source, hidden) => {
  expect(hideSecrets(source)).toBe(hidden);
});

test.each([
  ["the name of a variable", `{ key: env("OPENAI_API_KEY") }`],
  ["what is no text", `{ keys: 3, token: undefined, auth: /a/ }`],
  ["comments", `// key: "abc"\n{ url: "http://h:1/a" }`],
  ["a text that is not closed", `{ url: "abc\n}`],
])("%s is shown", (_what, source) => {
  expect(hideSecrets(source)).toBe(source);
});
