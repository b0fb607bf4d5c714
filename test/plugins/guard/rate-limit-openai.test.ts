import OpenAI from "openai";
import { keys, mockBackend, model, openaiErrors, sse } from "plugboard/plugins";
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { rateLimit, type RateLimitOptions } from "../../../plugins/guard/rate-limit.ts";
import { eventually } from "../../e2e/eventually.ts";
import type { OpenAiClient } from "../../e2e/open-openai.ts";
import { openProxy } from "../../e2e/open-proxy.ts";

const key = "canary-alice-0123456789";

async function openClient(options: RateLimitOptions, maxRetries: number): Promise<OpenAiClient> {
  const hash = createHash("sha256").update(key).digest("hex");
  const { proxy, url } = await openProxy([
    mockBackend({ backends: [{ models: ["small"] }] }),
    keys({ keys: [{ name: "alice", hash }] }),
    rateLimit(options),
    model(),
    sse(),
    openaiErrors(),
  ]);
  return { proxy, client: new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries }) };
}

const chat: OpenAI.ChatCompletionCreateParamsNonStreaming = {
  model: "small",
  messages: [{ role: "user", content: "hello" }],
};

test("OpenAI's SDK tells its limits, and raises a RateLimitError of its own", async () => {
  const { client } = await openClient({ requests: 1 }, 0);
  const { response } = await client.chat.completions.create(chat).withResponse();
  expect(response.headers.get("x-ratelimit-remaining-requests")).toBe("0");
  const error: unknown = await client.chat.completions.create(chat).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  const { status, headers, message } = error as InstanceType<typeof OpenAI.RateLimitError>;
  expect([status, Number(headers.get("retry-after")) > 0]).toEqual([429, true]);
  expect(message).toContain("The limit is 1 requests in 60 s");
});

test("OpenAI's SDK waits as long as it is told, which is longer than it would by itself", async () => {
  const { client } = await openClient({ requests: 1, per: 1_000 }, 1);
  for (let i = 0; i < 2; i++) {
    const answer = await client.chat.completions.create(chat);
    expect(answer.choices[0]?.message.content).toBeTruthy();
  }
});

test("a stream that OpenAI's SDK reads is counted by what it used", async () => {
  const { client, proxy } = await openClient({ tokens: 2_000 }, 0);
  // Each would take nearly all, were it not settled.
  for (let i = 0; i < 3; i++) {
    const stream = await client.chat.completions.create({
      ...chat,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 1_700,
    });
    for await (const chunk of stream) expect(chunk.object).toBe("chat.completion.chunk");
    await eventually(() => expect(proxy.status().active).toBe(0));
  }
});
