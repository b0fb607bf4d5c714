import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { RouteTestRequest } from "../../../core/route-tests/define.ts";
import { describeRequest, toCommand, toRequest } from "../../../core/route-tests/request.ts";

const chat = '{"model":"m","messages":[{"role":"user","content":"hi"}]}';

test.each<[string, RouteTestRequest, object]>([
  ["a model is a chat", { model: "m" }, { method: "POST", path: "/v1/chat/completions", body: chat }],
  [
    "a stream is asked for in the body",
    { model: "m", stream: true },
    { method: "POST", path: "/v1/chat/completions", body: chat.replace(/}$/, ',"stream":true}') },
  ],
  ["a path alone is a GET", { path: "/v1/models" }, { method: "GET", path: "/v1/models" }],
  ["a body as an object is JSON", { path: "/x", body: { a: [1] } }, { method: "POST", path: "/x", body: '{"a":[1]}' }],
  ["a body as text is sent as it is", { path: "/x", body: "{" }, { method: "POST", path: "/x", body: "{" }],
  [
    "all of it",
    { method: "put", path: "/x", body: "", headers: { "X-A": "1" }, listener: "admin" },
    { method: "PUT", path: "/x", body: "", headers: { "X-A": "1" }, listener: "admin" },
  ],
])("%s", (_, given, expected) => {
  expect(toRequest(given)).toEqual(expected);
});

test.each<[RouteTestRequest, string]>([
  [{ model: "m" }, "model m"],
  [{ model: "m", stream: true }, "model m, streamed"],
  [{ body: { model: "m" } }, "model m"],
  [{ model: "m", path: "/v1/embeddings" }, "POST /v1/embeddings, model m"],
  [{ method: "delete", path: "/x" }, "DELETE /x"],
  [{ path: "/x", body: "{" }, "POST /x"],
])("%j is called %s", (given, name) => {
  expect(describeRequest(given)).toBe(name);
});

test.each<[RouteTestRequest, string]>([
  [{ model: "m" }, "plugboard explain --model m"],
  [{ model: "my model" }, "plugboard explain --model 'my model'"],
  [{ model: "m", path: "/x" }, "plugboard explain POST /x --model m"],
  [
    { model: "m", stream: true },
    `printf %s '${chat.replace(/}$/, ',"stream":true}')}' | plugboard explain POST /v1/chat/completions --body -`,
  ],
  [{ path: "/x?a&b" }, "plugboard explain GET '/x?a&b'"],
  [{ model: "m", headers: { "x-a": "it's" } }, String.raw`plugboard explain --model m --header 'x-a: it'\''s'`],
  [{ path: "/x", body: "{}" }, "printf %s '{}' | plugboard explain POST /x --body -"],
  [{ path: "/x", listener: "admin" }, "plugboard explain GET /x --listener admin"],
  [{ path: "/x", body: "x".repeat(2_000) }, "plugboard explain POST /x --body FILE"],
])("%j is shown by a command", (given, command) => {
  expect(toCommand(given)).toBe(command);
});

test("what the shell makes of the command is the request", () => {
  const body = `{"a":"it's \\"$HOME\\" \\n"}`;
  const command = toCommand({ path: "/x", body }, ["--config", "a b.ts"]);
  const script = `plugboard() { cat; printf '\\n%s' "$@"; }\n${command}`;
  expect(execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\n")).toEqual([
    body,
    "explain",
    "POST",
    "/x",
    "--body",
    "-",
    "--config",
    "a b.ts",
  ]);
});
