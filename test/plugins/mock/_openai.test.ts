import { NotFoundError } from "openai";
import { expect, test, vi } from "vitest";
import { clientOf, collect, hello, start } from "./backend.ts";

test("the openai SDK gets a chat completion that names the backend and echoes the last user message", async () => {
  const { data, response } = await clientOf(await start())
    .chat.completions.create(hello)
    .withResponse();
  expect(data).toMatchObject({
    object: "chat.completion",
    model: "small",
    system_fingerprint: "fp_m1",
  });
  expect(data.id).toMatch(/^chatcmpl-[0-9a-f]{24}$/);
  expect(data.choices).toEqual([
    {
      index: 0,
      message: { role: "assistant", content: "[m1] You said: hello there", refusal: null },
      logprobs: null,
      finish_reason: "stop",
    },
  ]);
  expect(data.usage).toEqual({ prompt_tokens: 2, completion_tokens: 5, total_tokens: 7 });
  expect(response.headers.get("x-mock-backend")).toBe("m1");
});

test("the openai SDK gets the last user message out of a list of parts", async () => {
  const parts = [
    { type: "text" as const, text: "what is" },
    { type: "text" as const, text: "this" },
  ];
  const messages = [
    ...hello.messages,
    { role: "user" as const, content: parts },
    { role: "assistant" as const, content: "a" },
  ];
  const answer = await clientOf(await start()).chat.completions.create({ ...hello, messages });
  expect(answer.choices[0]?.message.content).toBe("[m1] You said: what is this");
});

test("the openai SDK gets the same answer streamed, one token to a chunk, with usage at the end", async () => {
  const stream = await clientOf(await start()).chat.completions.create({
    ...hello,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await collect(stream);
  expect(new Set(chunks.map((chunk) => chunk.object))).toEqual(new Set(["chat.completion.chunk"]));
  expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta)).toEqual([
    { role: "assistant", content: "", refusal: null },
    ...["[m1]", " You", " said:", " hello", " there"].map((content) => ({ content })),
    {},
    undefined,
  ]);
  expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason)).toEqual([...Array(6).fill(null), "stop", undefined]);
  expect(chunks.at(-1)?.usage).toEqual({
    prompt_tokens: 2,
    completion_tokens: 5,
    total_tokens: 7,
  });
  expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
});

test("the openai SDK gets no usage from a stream that did not ask for it", async () => {
  const stream = await clientOf(await start()).chat.completions.create({
    ...hello,
    stream: true,
  });
  const chunks = await collect(stream);
  expect(chunks.every((chunk) => !("usage" in chunk))).toBe(true);
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("stop");
});

test("the openai SDK assembles a stream with its own accumulator", async () => {
  const answer = await clientOf(await start())
    .chat.completions.stream(hello)
    .finalChatCompletion();
  expect(answer.choices[0]?.message.content).toBe("[m1] You said: hello there");
});

test("the openai SDK gets a text completion, plain and streamed", async () => {
  const client = clientOf(await start());
  const plain = await client.completions.create({ model: "small", prompt: "once upon" });
  expect(plain).toMatchObject({
    object: "text_completion",
    choices: [{ index: 0, text: "[m1] You said: once upon", finish_reason: "stop" }],
  });
  expect(plain.usage).toEqual({ prompt_tokens: 2, completion_tokens: 5, total_tokens: 7 });
  const stream = await client.completions.create({
    model: "small",
    prompt: "once upon",
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await collect(stream);
  expect(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join("")).toBe("[m1] You said: once upon");
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
  expect(chunks.at(-1)?.usage?.total_tokens).toBe(7);
});

test("the openai SDK gets the same embeddings in both encodings, of length 1 and different for different texts", async () => {
  const client = clientOf(await start());
  const packed = await client.embeddings.create({
    model: "small",
    input: ["a b", "c"],
    dimensions: 16,
  });
  const listed = await client.embeddings.create({
    model: "small",
    input: ["a b", "c"],
    dimensions: 16,
    encoding_format: "float",
  });
  expect(packed.data.map((entry) => entry.index)).toEqual([0, 1]);
  expect(packed.data.map((entry) => [...entry.embedding])).toEqual(listed.data.map((entry) => entry.embedding));
  expect(packed.data[0]?.embedding).toHaveLength(16);
  expect(packed.data[0]?.embedding).not.toEqual(packed.data[1]?.embedding);
  expect(Math.hypot(...(packed.data[0]?.embedding ?? []))).toBeCloseTo(1, 5);
  expect(packed.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
});

test("the openai SDK takes token lists for embeddings", async () => {
  const client = clientOf(await start());
  expect((await client.embeddings.create({ model: "small", input: [1, 2, 3] })).data).toHaveLength(1);
  expect((await client.embeddings.create({ model: "small", input: [[1], [2, 3]] })).data).toHaveLength(2);
});

test("the openai SDK lists the models", async () => {
  const backend = await start({ models: ["small", "large"] });
  const listed = await collect(clientOf(backend).models.list());
  expect(listed.map((model) => model.id)).toEqual(["small", "large"]);
  expect(listed[0]).toMatchObject({
    object: "model",
    owned_by: "m1",
  });
  expect(await (await fetch(`${backend.url}/models`)).json()).toEqual(
    await (await fetch(`${backend.url}/v1/models`)).json(),
  );
});

test("the openai SDK is told of an unknown model with a NotFoundError", async () => {
  const call = clientOf(await start()).chat.completions.create({ ...hello, model: "huge" });
  await expect(call).rejects.toMatchObject({
    status: 404,
    code: "model_not_found",
    type: "invalid_request_error",
    param: "model",
  });
  await expect(call).rejects.toBeInstanceOf(NotFoundError);
});

test("the openai SDK that aborts a stream leaves no request under way", async () => {
  const backend = await start({ chunkInterval: 60_000 });
  const stream = await clientOf(backend).chat.completions.create({ ...hello, stream: true });
  expect(backend.active).toBe(1);
  stream.controller.abort();
  await vi.waitFor(() => expect(backend.active).toBe(0));
});

test("the openai SDK that aborts before the first byte leaves no request under way", async () => {
  const backend = await start({ latency: 60_000 });
  const controller = new AbortController();
  const call = clientOf(backend).chat.completions.create(hello, { signal: controller.signal });
  const failed = expect(call).rejects.toThrow("aborted");
  await vi.waitFor(() => expect(backend.active).toBe(1));
  controller.abort();
  await failed;
  await vi.waitFor(() => expect(backend.active).toBe(0));
});
