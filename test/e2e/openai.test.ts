import OpenAI from "openai";
import { mockBackend, type MockTargetOptions } from "plugboard/plugins";
import { expect, test } from "vitest";
import { collect } from "./collect.ts";
import { llmPlugins } from "./llm-plugins.ts";
import { type OpenAiClient, openClient } from "./open-openai.ts";

function open(...backends: MockTargetOptions[]): Promise<OpenAiClient> {
  return openClient([mockBackend({ backends }), ...llmPlugins(backends.flatMap((each) => each.models ?? []))]);
}

const small: MockTargetOptions = { id: "one", models: ["small"] };
const hello = { role: "user", content: "hello there" } as const;
const answer = "[one] You said: hello there";

test("a chat completion comes from the backend that serves the model", async () => {
  const { client } = await open({ id: "other", models: ["large"] }, small);
  const completion = await client.chat.completions.create({ model: "small", messages: [hello] });
  expect(completion.choices[0]?.message.content).toBe(answer);
  expect(completion.model).toBe("small");
  expect(completion.usage?.total_tokens).toBeGreaterThan(0);
});

test("an alias and its synonym lead to the upstream's model", async () => {
  const { client } = await open({ id: "other", models: ["large"] }, small);
  for (const name of ["fast", "quick"]) {
    const completion = await client.chat.completions.create({ model: name, messages: [hello] });
    expect(completion.model).toBe("small");
    expect(completion.choices[0]?.message.content).toBe(answer);
  }
});

test("a streamed chat is the plain one in pieces, with its usage and a clean end", async () => {
  const { client } = await open(small);
  const request = { model: "fast", messages: [hello] };
  const whole = await client.chat.completions.create(request);
  const stream = await client.chat.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await collect(stream);
  const content = chunks.map(({ choices: [choice] }) => choice?.delta.content ?? "");
  expect(content.join("")).toBe(whole.choices[0]?.message.content);
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
  expect(chunks.at(-1)?.usage).toEqual(whole.usage);
});

test("the helper for streams puts the message together and ends by itself", async () => {
  const { client } = await open(small);
  const stream = client.chat.completions.stream({ model: "fast", messages: [hello] });
  const message = await stream.finalMessage();
  expect(message.content).toBe(answer);
});

test("a completion is answered, plain and streamed", async () => {
  const { client } = await open(small);
  const request = { model: "fast", prompt: "hello there" };
  const whole = await client.completions.create(request);
  expect(whole.choices[0]?.text).toBe(answer);
  const chunks = await collect(await client.completions.create({ ...request, stream: true }));
  expect(chunks.map(({ choices: [choice] }) => choice?.text ?? "").join("")).toBe(answer);
});

test("embeddings come in the SDK's own encoding and in order", async () => {
  const { client } = await open({ id: "two", models: ["embedder"] });
  const list = await client.embeddings.create({ model: "vectors", input: ["a", "b", "a"] });
  const [first, second, third] = list.data.map(({ embedding }) => embedding);
  expect(list.model).toBe("embedder");
  expect(first).toHaveLength(8);
  expect(first).toEqual(third);
  expect(first).not.toEqual(second);
});

test("the list of models names those of the targets and the aliases", async () => {
  const { client } = await open(small, { id: "two", models: ["large", "embedder"] });
  const list = await collect(client.models.list());
  expect(list.map(({ id }) => id)).toEqual(["embedder", "fast", "large", "quick", "small", "vectors"]);
});

test("one model is retrieved by its name, and an unknown one is not found", async () => {
  const { client } = await open(small);
  expect(await client.models.retrieve("fast")).toMatchObject({ id: "fast", object: "model" });
  await expect(client.models.retrieve("nobody")).rejects.toThrow(OpenAI.NotFoundError);
});

test("requests that come at once are all answered, each with its own answer", async () => {
  const { client, proxy } = await open({ ...small, latency: 5, chunkInterval: 1 });
  const ask = async (index: number): Promise<string> => {
    const stream = await client.chat.completions.create({
      model: "fast",
      messages: [{ role: "user", content: `number ${index}` }],
      stream: true,
    });
    const chunks = await collect(stream);
    return chunks.map(({ choices: [choice] }) => choice?.delta.content ?? "").join("");
  };
  const numbers = Array.from({ length: 50 }, (_, index) => index);
  const answers = await Promise.all(numbers.map(ask));
  expect(answers).toEqual(numbers.map((index) => `[one] You said: number ${index}`));
  expect(proxy.status().active).toBe(0);
});
