// What vLLM answers to chat completions and completions, whole and streamed.
import { randomUUID } from "node:crypto";

/** A request that vLLM refuses. */
export class Refusal extends Error {
  constructor(status, type, message, param = null) {
    super(message);
    this.status = status;
    this.body = { error: { message, type, param, code: status } };
  }
}

const bad = (message, param) => new Refusal(400, "BadRequestError", message, param);

/** Reads a request: what the engine has to make, and how it is told. */
export function readRequest(path, request, requestId, { names, maxModelLength }) {
  const isChat = path === "/v1/chat/completions";
  const model = readModel(request, names);
  const prompts = isChat ? [readMessages(request.messages)] : readPrompts(request.prompt);
  const copies = readCount(request.n ?? 1, "n");
  const jobs = prompts
    .flatMap((prompt) => Array.from({ length: copies }, () => prompt))
    .map((prompt, index) => ({ index, ...plan(prompt, request, isChat, maxModelLength) }));
  return {
    isChat,
    jobs,
    id: `${isChat ? "chatcmpl" : "cmpl"}-${requestId ?? randomUUID().replaceAll("-", "")}`,
    created: Math.floor(Date.now() / 1_000),
    model,
    stream: request.stream === true,
    includeUsage: request.stream_options?.include_usage === true,
    promptTokens: prompts.reduce((sum, prompt) => sum + prompt.tokens, 0),
  };
}

/** Without a model it is the first. */
function readModel(request, names) {
  if (request === null || typeof request !== "object") throw bad("The body is not an object.");
  const model = request.model ?? names[0];
  if (names.includes(model)) return model;
  throw new Refusal(404, "NotFoundError", `The model \`${model}\` does not exist.`, "model");
}

function plan({ text, tokens: promptTokens }, request, isChat, maxModelLength) {
  const room = maxModelLength - promptTokens;
  const asked = (isChat ? request.max_completion_tokens : undefined) ?? request.max_tokens ?? (isChat ? room : 16);
  const most = readCount(asked, "max_tokens");
  if (most > room || room < 1) {
    const all = promptTokens + most;
    throw bad(`This model's maximum context length is ${maxModelLength} tokens, and the request needs ${all}.`);
  }
  const said = toTokens(`You said: ${text}`);
  const length = request.ignore_eos === true ? most : Math.min(most, said.length);
  const tokens = Array.from({ length }, (_, index) => said[index % said.length]);
  return { promptTokens, tokens, finish: length < said.length || request.ignore_eos === true ? "length" : "stop" };
}

function readMessages(messages) {
  if (!Array.isArray(messages) || messages.length === 0) throw bad("messages: Field required", "messages");
  const texts = messages.map((message) => textOf(message?.content));
  return { text: texts.at(-1), tokens: Math.max(1, toTokens(texts.join(" ")).length) };
}

function textOf(content) {
  if (Array.isArray(content)) return content.map((part) => part?.text ?? "").join(" ");
  return typeof content === "string" ? content : "";
}

/** A text, texts, the tokens of one text, or those of several. */
function readPrompts(prompt) {
  if (Array.isArray(prompt) && prompt.length > 0) {
    if (prompt.every(Number.isInteger)) return [{ text: prompt.join(" "), tokens: prompt.length }];
    return prompt.flatMap(readPrompts);
  }
  if (typeof prompt !== "string") throw bad("prompt: Either prompt or prompt_embeds must be provided.", "prompt");
  return [{ text: prompt, tokens: Math.max(1, toTokens(prompt).length) }];
}

function readCount(value, name) {
  if (!Number.isInteger(value) || value < 1)
    throw bad(`${name} must be at least 1, got ${JSON.stringify(value)}.`, name);
  return value;
}

/** A word and the space before it are one token. */
function toTokens(text) {
  return text.match(/\s*\S+/g) ?? [];
}

/** The whole answer; `made` are the tokens by choice. */
export function toAnswer(asked, made) {
  const choices = asked.jobs.map(({ index, finish }) => {
    const content = made[index].join("");
    const end = { logprobs: null, finish_reason: finish, stop_reason: null };
    if (!asked.isChat) return { index, text: content, ...end, prompt_logprobs: null };
    return { index, message: { role: "assistant", content, refusal: null, tool_calls: [] }, ...end };
  });
  return {
    ...envelope(asked, asked.isChat ? "chat.completion" : "text_completion"),
    choices,
    service_tier: null,
    system_fingerprint: null,
    usage: toUsage(asked),
    kv_transfer_params: null,
  };
}

/** What a stream begins with, for each choice. */
export function firstChunk(asked, { index }) {
  return asked.isChat ? chunk(asked, { index, delta: { role: "assistant", content: "" } }, null) : "";
}

/** One token; the last one says why it is the last. */
export function tokenChunk(asked, { index, finish }, token, isLast) {
  return chunk(
    asked,
    { index, ...(asked.isChat ? { delta: { content: token } } : { text: token }) },
    isLast ? finish : null,
  );
}

export function lastChunks(asked) {
  const usage = { ...envelope(asked, objectOf(asked)), choices: [], usage: toUsage(asked) };
  return `${asked.includeUsage ? event(usage) : ""}data: [DONE]\n\n`;
}

function chunk(asked, choice, reason) {
  const choices = [{ ...choice, logprobs: null, finish_reason: reason, ...(reason !== null && { stop_reason: null }) }];
  return event({ ...envelope(asked, objectOf(asked)), choices });
}

function objectOf({ isChat }) {
  return isChat ? "chat.completion.chunk" : "text_completion";
}

function envelope({ id, created, model }, object) {
  return { id, object, created, model };
}

function event(value) {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function toUsage({ jobs, promptTokens }) {
  const completion = jobs.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return { prompt_tokens: promptTokens, total_tokens: promptTokens + completion, completion_tokens: completion };
}
