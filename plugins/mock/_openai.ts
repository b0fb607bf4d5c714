export type Json = Record<string, unknown>;

export interface Plain {
  readonly status: number;
  readonly body: Json;
}

export interface Streamed {
  readonly events: Iterable<string>;
}

/** What a model said, before it is given the shape of an endpoint. */
export interface Generation {
  /** Same request and backend, same id. */
  readonly key: string;
  readonly backend: string;
  readonly model: string;
  readonly tokens: readonly string[];
  readonly finish: "stop" | "length";
  readonly promptTokens: number;
}

// Fixed, so that the same request gets the same bytes.
const created = 1_700_000_000;

export function refuse(
  status: number,
  message: string,
  param: string | null = null,
  code: string | null = null,
): Plain {
  const type = status >= 500 ? "server_error" : "invalid_request_error";
  return { status, body: { error: { message, type, param, code } } };
}

export function listModels(backend: string, models: readonly string[]): Json {
  return {
    object: "list",
    data: models.map((id) => ({ id, object: "model", created, owned_by: backend })),
  };
}

export function chatCompletion(said: Generation): Json {
  const message = { role: "assistant", content: said.tokens.join(""), refusal: null };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: said.finish }];
  return { ...envelope(said, "chatcmpl", "chat.completion"), choices, usage: usage(said) };
}

export function chatChunks(said: Generation, includeUsage: boolean): Iterable<string> {
  const first = chatChoice({ role: "assistant", content: "", refusal: null }, null);
  const shared = envelope(said, "chatcmpl", "chat.completion.chunk");
  return chunks(said, includeUsage, shared, [first], (token) =>
    token === undefined ? chatChoice({}, said.finish) : chatChoice({ content: token }, null),
  );
}

export function textCompletion(said: Generation): Json {
  const choices = [{ index: 0, text: said.tokens.join(""), logprobs: null, finish_reason: said.finish }];
  return { ...envelope(said, "cmpl", "text_completion"), choices, usage: usage(said) };
}

export function textChunks(said: Generation, includeUsage: boolean): Iterable<string> {
  return chunks(said, includeUsage, envelope(said, "cmpl", "text_completion"), [], (token) => ({
    index: 0,
    text: token ?? "",
    logprobs: null,
    finish_reason: token === undefined ? said.finish : null,
  }));
}

/** Lazy: what the client does not take is never made. `choiceOf(undefined)` is the choice that ends the answer. */
function* chunks(
  said: Generation,
  includeUsage: boolean,
  shared: Json,
  before: readonly Json[],
  choiceOf: (token: string | undefined) => Json,
): Generator<string> {
  // With include_usage every chunk but the last carries a null, as OpenAI documents it.
  const withUsage = includeUsage ? { usage: null } : {};
  for (const choice of before) yield event({ ...shared, choices: [choice], ...withUsage });
  for (const token of said.tokens) yield event({ ...shared, choices: [choiceOf(token)], ...withUsage });
  yield event({ ...shared, choices: [choiceOf(undefined)], ...withUsage });
  if (includeUsage) yield event({ ...shared, choices: [], usage: usage(said) });
  yield "data: [DONE]\n\n";
}

function chatChoice(delta: Json, finish: string | null): Json {
  return { index: 0, delta, logprobs: null, finish_reason: finish };
}

function event(chunk: Json): string {
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

function envelope(said: Generation, prefix: string, object: string): Json {
  const id = `${prefix}-${said.key}`;
  return { id, object, created, model: said.model, system_fingerprint: `fp_${said.backend}` };
}

function usage(said: Generation): Json {
  const completion = said.tokens.length;
  return {
    prompt_tokens: said.promptTokens,
    completion_tokens: completion,
    total_tokens: said.promptTokens + completion,
  };
}
