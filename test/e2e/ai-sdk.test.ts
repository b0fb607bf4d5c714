import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany, generateText, streamText } from "ai";
import { mockBackend, type MockTargetOptions } from "plugboard/plugins";
import { expect, test } from "vitest";
import { collect } from "./collect.ts";
import { llmPlugins } from "./llm-plugins.ts";
import { openProxy } from "./open-proxy.ts";

async function open(options: MockTargetOptions = {}): Promise<ReturnType<typeof createOpenAICompatible>> {
  const backends = [{ id: "one", models: ["small", "embedder"], ...options }];
  const { url } = await openProxy([mockBackend({ backends }), ...llmPlugins(backends.flatMap(({ models }) => models))]);
  return createOpenAICompatible({ name: "plugboard", baseURL: `${url}/v1`, includeUsage: true });
}

const prompt = "hello there";
const answer = "[one] You said: hello there";

test("generateText answers by an alias, with its usage", async () => {
  const provider = await open();
  const { text, finishReason, usage } = await generateText({ model: provider("fast"), prompt });
  expect(text).toBe(answer);
  expect(finishReason).toBe("stop");
  expect(usage.outputTokens).toBeGreaterThan(0);
});

test("streamText streams the same text and finishes with its usage", async () => {
  const provider = await open({ chunkInterval: 1 });
  const result = streamText({ model: provider("fast"), prompt });
  const pieces = await collect(result.textStream);
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join("")).toBe(answer);
  expect(await result.finishReason).toBe("stop");
  expect((await result.usage).outputTokens).toBeGreaterThan(0);
});

test("embed and embedMany agree on the same text", async () => {
  const model = (await open()).embeddingModel("vectors");
  const { embedding } = await embed({ model, value: "a" });
  const { embeddings } = await embedMany({ model, values: ["b", "a"] });
  expect(embedding).toHaveLength(8);
  expect(embeddings[1]).toEqual(embedding);
  expect(embeddings[0]).not.toEqual(embedding);
});

test("an unknown model is an APICallError with status 404", async () => {
  const provider = await open();
  const error = await generateText({ model: provider("nobody"), prompt, maxRetries: 0 }).catch(
    (reason: unknown) => reason,
  );
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ statusCode: 404, isRetryable: false });
});

test("a stream that the backend cuts tells why and never ends cleanly", async () => {
  const provider = await open({ tokens: 100, fault: { cutAfter: 4 } });
  const errors: unknown[] = [];
  const result = streamText({
    model: provider("fast"),
    prompt,
    onError: ({ error }) => void errors.push(error),
  });
  const reading = collect(result.fullStream);
  await expect(reading).rejects.toThrow(APICallError);
  expect(errors).toMatchObject([{ code: "upstream_reset" }]);
});
