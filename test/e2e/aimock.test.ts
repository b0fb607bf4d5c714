import { LLMock } from "@copilotkit/aimock";
import type OpenAI from "openai";
import { staticTargets } from "plugboard/plugins";
import { expect, onTestFinished, test } from "vitest";
import { collect } from "./collect.ts";
import { llmPlugins } from "./llm-plugins.ts";
import { chat, openClient, streamed } from "./open-openai.ts";

interface Opened {
  readonly client: OpenAI;
  readonly mock: LLMock;
}

/** An upstream that nobody here wrote, behind a proxy. */
async function open(): Promise<Opened> {
  const mock = new LLMock({ port: 0, host: "127.0.0.1", chunkSize: 4 });
  mock.onMessage("hello", { content: "Hello from elsewhere!" });
  mock.onEmbedding("a", { embedding: [0.25, -0.5, 1] });
  const url = await mock.start();
  onTestFinished(() => mock.stop());
  const targets = [{ url, models: ["small", "embedder"] }];
  const { client } = await openClient([staticTargets({ targets }), ...llmPlugins(["small", "embedder"])]);
  return { client, mock };
}

test("a chat is answered, and the upstream was asked for its own model", async () => {
  const { client, mock } = await open();
  const completion = await client.chat.completions.create(chat);
  expect(completion.choices[0]?.message.content).toBe("Hello from elsewhere!");
  expect(mock.getLastRequest()).toMatchObject({
    method: "POST",
    path: "/v1/chat/completions",
    body: { ...chat, model: "small" },
  });
});

test("a streamed chat arrives in the upstream's pieces and ends cleanly", async () => {
  const { client, mock } = await open();
  const stream = await client.chat.completions.create({ ...streamed, model: "quick" });
  const chunks = await collect(stream);
  const pieces = chunks.map(({ choices: [choice] }) => choice?.delta.content ?? "");
  expect(pieces.filter((piece) => piece !== "")).toEqual(["Hell", "o fr", "om e", "lsew", "here", "!"]);
  expect(chunks.some(({ choices: [choice] }) => choice?.finish_reason === "stop")).toBe(true);
  expect(mock.getLastRequest()).toMatchObject({ body: { model: "small", stream: true } });
});

test("embeddings are answered, by an alias of their own", async () => {
  const { client, mock } = await open();
  const { data } = await client.embeddings.create({
    model: "vectors",
    input: "a",
    encoding_format: "float",
  });
  expect(data[0]?.embedding).toEqual([0.25, -0.5, 1]);
  expect(mock.getLastRequest()).toMatchObject({ body: { model: "embedder" } });
});

test("the upstream's own error is passed on", async () => {
  const { client, mock } = await open();
  mock.nextRequestError(429, { message: "Slow down", type: "rate_limit_error", code: "too_fast" });
  await expect(client.chat.completions.create(chat)).rejects.toMatchObject({
    status: 429,
    code: "too_fast",
  });
});
