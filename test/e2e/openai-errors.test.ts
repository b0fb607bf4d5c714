import { once } from "node:events";
import { createServer } from "node:net";
import OpenAI from "openai";
import { activeHealth, mockBackend, openaiErrors, staticTargets } from "plugboard/plugins";
import { expect, test } from "vitest";
import { collect } from "./collect.ts";
import { eventually } from "./eventually.ts";
import { llmPlugins } from "./llm-plugins.ts";
import { chat, openBackend, openClient, streamed } from "./open-openai.ts";

/** A port of 127.0.0.1 where nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`;
}

test("an unknown model is a NotFoundError with OpenAI's code", async () => {
  const { client } = await openBackend();
  const answer = client.chat.completions.create({ ...chat, model: "nobody" });
  await expect(answer).rejects.toThrow(OpenAI.NotFoundError);
  await expect(answer).rejects.toMatchObject({
    status: 404,
    code: "model_not_found",
    type: "invalid_request_error",
    param: "model",
  });
});

test("no healthy target is an InternalServerError with status 503", async () => {
  const backends = [{ models: ["small"], healthy: false }];
  const { client } = await openClient([mockBackend({ backends }), activeHealth(), ...llmPlugins()]);
  const answer = client.chat.completions.create(chat);
  await expect(answer).rejects.toThrow(OpenAI.InternalServerError);
  await expect(answer).rejects.toMatchObject({
    status: 503,
    code: "no_targets",
    type: "server_error",
  });
});

test("a target that nobody listens at is passed over", async () => {
  const { client } = await openBackend({ id: "one" }, [await deadUrl()]);
  const { data, response } = await client.chat.completions.create(chat).withResponse();
  expect(data.choices[0]?.message.content).toContain("hello there");
  expect(response.headers.get("x-mock-backend")).toBe("one");
});

test("only targets that nobody listens at are an InternalServerError with status 502", async () => {
  const targets = [await deadUrl(), await deadUrl()];
  const { client } = await openClient([staticTargets({ targets }), openaiErrors()]);
  const answer = client.chat.completions.create(chat);
  await expect(answer).rejects.toThrow(OpenAI.InternalServerError);
  await expect(answer).rejects.toMatchObject({ status: 502, code: "connect_failed" });
});

test("a POST that the backend broke is not sent twice", async () => {
  const { client, backend } = await openBackend({ fault: { cutAfter: 0 } });
  const answer = client.chat.completions.create(chat);
  await expect(answer).rejects.toMatchObject({ status: 502, code: "upstream_reset" });
  expect(backend.requests).toBe(1);
});

test("an error of the backend reaches the client as it is", async () => {
  const { client } = await openBackend({ fault: { status: 429 } });
  const answer = client.chat.completions.create(chat);
  await expect(answer).rejects.toThrow(OpenAI.RateLimitError);
  await expect(answer).rejects.toMatchObject({ code: "mock_fault" });
});

test("a stream that the backend cuts makes the SDK throw, with the reason", async () => {
  const { client } = await openBackend({ tokens: 100, fault: { cutAfter: 3 } });
  const reading = collect(await client.chat.completions.create(streamed));
  await expect(reading).rejects.toThrow(OpenAI.APIError);
  await expect(reading).rejects.toMatchObject({ code: "upstream_reset", type: "server_error" });
});

test("a cut stream makes the SDK throw without the help of a stream plugin too", async () => {
  const backends = [{ tokens: 100, fault: { cutAfter: 3 } }];
  const { client } = await openClient([mockBackend({ backends })]);
  const stream = await client.chat.completions.create({ ...streamed, model: "mock-model" });
  const chunks = stream[Symbol.asyncIterator]();
  for (let seen = 0; seen < 3; seen++) expect(await chunks.next()).toMatchObject({ done: false });
  await expect(chunks.next()).rejects.toThrow();
});

test("a plain answer that the backend cuts makes the SDK throw", async () => {
  const { client } = await openBackend({ tokens: 100, fault: { cutAfter: 1 } });
  await expect(client.chat.completions.create(chat)).rejects.toThrow();
});

test("the SDK's own retries find the backend when it is well again", async () => {
  const { client, backend } = await openBackend({ fault: { status: 503 } });
  const answer = client.chat.completions.create(chat, { maxRetries: 5 });
  await eventually(() => expect(backend.requests).toBeGreaterThan(0));
  backend.fault = {};
  expect((await answer).choices[0]?.message.content).toContain("hello there");
});
