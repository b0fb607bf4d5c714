import { createHash } from "node:crypto";
import { embed } from "./_embeddings.ts";
import {
  chatChunks,
  chatCompletion,
  type Generation,
  type Json,
  type Plain,
  refuse,
  type Streamed,
  textChunks,
  textCompletion,
} from "./_openai.ts";
import { countWords, toWords } from "./_words.ts";

/** What an answer depends on besides the request. */
export interface Model {
  readonly id: string;
  readonly models: readonly string[];
  readonly tokens: number | undefined;
}

type Endpoint = (request: Json, model: Model, key: string) => Plain | Streamed;

const endpoints: ReadonlyMap<string, Endpoint> = new Map([
  ["/v1/chat/completions", chat],
  ["/v1/completions", complete],
  ["/v1/embeddings", embed],
]);

// Keeps the echo of a large prompt from becoming a large answer.
const defaultMaxTokens = 256;

/** Answers a POST; undefined if there is no such path. */
export function answer(path: string, body: Buffer, model: Model): Plain | Streamed | undefined {
  const endpoint = endpoints.get(path);
  if (endpoint === undefined) return undefined;
  const request = parseObject(body);
  if (request === undefined) return refuse(400, "The request body is not a JSON object.");
  const { model: name } = request;
  if (typeof name !== "string" || name === "") return refuse(400, "model must be a non-empty string", "model");
  if (model.models.length > 0 && !model.models.includes(name)) {
    return refuse(404, `The model \`${name}\` does not exist.`, "model", "model_not_found");
  }
  const key = createHash("sha256").update(model.id).update("\0").update(body).digest("hex").slice(0, 24);
  return endpoint(request, model, key);
}

function chat(request: Json, model: Model, key: string): Plain | Streamed {
  const { messages } = request;
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isObject)) {
    return refuse(400, "messages must be a non-empty list of objects", "messages");
  }
  const prompt = messages.map((message) => textOf(message.content)).join("\n");
  const last = messages.findLast((message) => message.role === "user");
  const said = generate(request, model, key, prompt, textOf(last?.content));
  if ("body" in said) return said;
  if (request.stream !== true) return { status: 200, body: chatCompletion(said) };
  return { events: chatChunks(said, wantsUsage(request)) };
}

function complete(request: Json, model: Model, key: string): Plain | Streamed {
  const { prompt } = request;
  const text = Array.isArray(prompt) ? prompt.flat().map(String).join(" ") : prompt;
  if (typeof text !== "string") return refuse(400, "prompt must be a string or a list", "prompt");
  const said = generate(request, model, key, text, text);
  if ("body" in said) return said;
  if (request.stream !== true) return { status: 200, body: textCompletion(said) };
  return { events: textChunks(said, wantsUsage(request)) };
}

function generate(request: Json, model: Model, key: string, prompt: string, echoed: string): Generation | Plain {
  const param = request.max_completion_tokens === undefined ? "max_tokens" : "max_completion_tokens";
  const max = request[param] ?? Math.max(defaultMaxTokens, model.tokens ?? 0);
  if (!isPositiveInteger(max)) return refuse(400, `${param} must be a positive integer`, param);
  const words = toWords(`[${model.id}] You said: ${echoed}`);
  const all = model.tokens === undefined ? words : repeat(words, model.tokens);
  return {
    key,
    backend: model.id,
    model: String(request.model),
    tokens: all.slice(0, max),
    finish: all.length > max ? "length" : "stop",
    promptTokens: Math.max(1, countWords(prompt)),
  };
}

function repeat(words: readonly string[], length: number): string[] {
  return Array.from({ length }, (_, index) => {
    const word = words[index % words.length] ?? "";
    return index > 0 && index % words.length === 0 ? ` ${word}` : word;
  });
}

function wantsUsage(request: Json): boolean {
  return isObject(request.stream_options) && request.stream_options.include_usage === true;
}

/** A message's content is a text or a list of parts, of which some have text. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: unknown) => (isObject(part) && typeof part.text === "string" ? part.text : "")).join(" ");
}

function parseObject(body: Buffer): Json | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // not JSON: the caller tells
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPositiveInteger(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0;
}
