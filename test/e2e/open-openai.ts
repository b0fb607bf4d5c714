import OpenAI from "openai";
import type { Proxy, ProxyConfig } from "plugboard";
import { type MockServer, type MockServerOptions, startMockBackend, staticTargets } from "plugboard/plugins";
import { onTestFinished } from "vitest";
import { llmPlugins } from "./llm-plugins.ts";
import { openProxy } from "./open-proxy.ts";

type ChatRequest = OpenAI.ChatCompletionCreateParamsNonStreaming;
type StreamRequest = OpenAI.ChatCompletionCreateParamsStreaming;

export const chat: ChatRequest = {
  model: "fast",
  messages: [{ role: "user", content: "hello there" }],
};

export const streamed: StreamRequest = { ...chat, stream: true };

/** A client that tells each failure instead of trying again. */
export function clientOf(url: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
}

export interface OpenAiClient {
  readonly client: OpenAI;
  readonly proxy: Proxy;
}

/** The SDK in front of a proxy of these plugins. */
export async function openClient(plugins: ProxyConfig["plugins"]): Promise<OpenAiClient> {
  const { proxy, url } = await openProxy(plugins);
  return { proxy, client: clientOf(url) };
}

export interface OpenAiBackend extends OpenAiClient {
  readonly backend: MockServer;
}

/** One backend, whose counts can be looked at and which can be made to fail; `before`: targets that are tried first. */
export async function openBackend(
  options: MockServerOptions = {},
  before: readonly string[] = [],
): Promise<OpenAiBackend> {
  const backend = await startMockBackend({ models: ["small"], ...options });
  onTestFinished(() => backend.close());
  const targets = [...before, { id: "one", url: backend.url, models: ["small"] }];
  return { backend, ...(await openClient([staticTargets({ targets }), ...llmPlugins()])) };
}
