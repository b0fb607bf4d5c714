import { type IncomingMessage, request } from "node:http";
import OpenAI from "openai";
import { onTestFinished } from "vitest";
import { type MockServer, type MockServerOptions, startMockBackend } from "plugboard/plugins/mock/mock-backend";

export const hello = {
  model: "small",
  messages: [{ role: "user" as const, content: "hello there" }],
};

export async function start(options?: MockServerOptions): Promise<MockServer> {
  const backend = await startMockBackend({ id: "m1", models: ["small"], ...options });
  onTestFinished(() => backend.close());
  return backend;
}

export function clientOf(backend: { readonly url: string }): OpenAI {
  return new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "none", maxRetries: 0 });
}

export function post(
  backend: MockServer,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(backend.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: text,
  });
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

export interface RawAnswer {
  status: number;
  text: string;
  length: string | undefined;
  /** SSE events. */
  chunks: number;
  complete: boolean;
}

/** A client that tells a cut answer from a whole one. */
export async function readRaw(
  backend: MockServer,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  const answer: RawAnswer = { status: 0, text: "", length: undefined, chunks: 0, complete: false };
  try {
    const res = await open(backend, body, headers);
    answer.status = res.statusCode ?? 0;
    answer.length = res.headers["content-length"];
    for await (const chunk of res) answer.text += String(chunk);
    answer.complete = res.complete;
  } catch {
    // The cut: what was read until then is the result.
  }
  answer.chunks = answer.text.split("\n\n").length - 1;
  return answer;
}

/** A chat request whose response is there and not read. */
export function open(
  backend: MockServer,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const req = request(`${backend.url}/v1/chat/completions`, { method: "POST", headers }, resolve);
    req.on("error", reject);
    req.end(JSON.stringify(body));
  });
}
