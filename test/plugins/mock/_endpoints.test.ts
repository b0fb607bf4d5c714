import { expect, test } from "vitest";
import { clientOf, hello, post, start } from "./backend.ts";

test("answers are the same bytes for the same request, and other ones from another backend", async () => {
  const one = await start();
  const twin = await start();
  const other = await start({ id: "m2" });
  const path = "/v1/chat/completions";
  const bytes = await Promise.all(
    [one, one, twin, other].map(async (b) => (await post(b, path, { ...hello, stream: true })).text()),
  );
  expect(bytes[1]).toBe(bytes[0]);
  expect(bytes[2]).toBe(bytes[0]);
  expect(bytes[3]).not.toBe(bytes[0]);
  expect(bytes[0]).toMatch(/\ndata: \[DONE\]\n\n$/);
});

test("answers have as many tokens as the option says", async () => {
  const answer = await clientOf(await start({ tokens: 700 })).chat.completions.create(hello);
  expect(answer.usage?.completion_tokens).toBe(700);
  expect(answer.choices[0]?.message.content?.split(" ")).toHaveLength(700);
  expect(answer.choices[0]?.finish_reason).toBe("stop");
});

test("answers stop with reason length at the client's limit", async () => {
  const client = clientOf(await start({ tokens: 50 }));
  for (const limit of [{ max_tokens: 3 }, { max_completion_tokens: 3 }]) {
    const answer = await client.chat.completions.create({ ...hello, ...limit });
    expect(answer.choices[0]).toMatchObject({
      finish_reason: "length",
      message: { content: "[m1] You said:" },
    });
    expect(answer.usage?.completion_tokens).toBe(3);
  }
});

test("answers to a large prompt stay small", async () => {
  const messages = [{ role: "user" as const, content: "word ".repeat(100_000) }];
  const answer = await clientOf(await start()).chat.completions.create({ ...hello, messages });
  expect(answer.usage).toEqual({
    prompt_tokens: 100_000,
    completion_tokens: 256,
    total_tokens: 100_256,
  });
  expect(answer.choices[0]?.finish_reason).toBe("length");
});

test("answers come for any model when the list is empty", async () => {
  const answer = await clientOf(await start({ models: [] })).chat.completions.create({
    ...hello,
    model: "whatever",
  });
  expect(answer.model).toBe("whatever");
});

test("answers are counted, probes and lists are not", async () => {
  const backend = await start();
  await fetch(`${backend.url}/health`);
  await fetch(`${backend.url}/v1/models`);
  await (await post(backend, "/v1/chat/completions", hello)).json();
  await (await post(backend, "/v1/chat/completions", "{")).json();
  expect(backend.requests).toBe(2);
  expect(backend.active).toBe(0);
});

test.each([
  ["/v1/chat/completions", "{", null],
  ["/v1/chat/completions", "[]", null],
  ["/v1/chat/completions", {}, "model"],
  ["/v1/chat/completions", { ...hello, model: 1 }, "model"],
  ["/v1/chat/completions", { model: "small" }, "messages"],
  ["/v1/chat/completions", { model: "small", messages: [] }, "messages"],
  ["/v1/chat/completions", { model: "small", messages: ["hi"] }, "messages"],
  ["/v1/chat/completions", { ...hello, max_tokens: 0 }, "max_tokens"],
  ["/v1/chat/completions", { ...hello, max_completion_tokens: "9" }, "max_completion_tokens"],
  ["/v1/completions", { model: "small" }, "prompt"],
  ["/v1/embeddings", { model: "small" }, "input"],
  ["/v1/embeddings", { model: "small", input: [] }, "input"],
  ["/v1/embeddings", { model: "small", input: ["a", 1] }, "input"],
  ["/v1/embeddings", { model: "small", input: "a", dimensions: 1e9 }, "dimensions"],
  ["/v1/embeddings", { model: "small", input: "a", encoding_format: "hex" }, "encoding_format"],
])("answers to POST %s %j are a 400 about %s", async (path, body, param) => {
  const response = await post(await start(), path, body);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    error: { type: "invalid_request_error", param, code: null },
  });
});

test.each([
  ["GET", "/v1/nothing", 404],
  ["POST", "/v1/nothing", 404],
  ["DELETE", "/v1/models", 405],
])("answers to %s %s have status %i and OpenAI's error shape", async (method, path, status) => {
  const response = await fetch((await start()).url + path, { method });
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
});
