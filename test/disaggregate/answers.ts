import type { Received } from "./received.ts";

/** What a worker says: whole, or in pieces. */
export interface Answer {
  readonly whole: Readonly<Record<string, unknown>>;
  /** SSE events. */
  readonly events: readonly string[];
}

const maxTokens = 4;

/** The answer of an engine of that API; undefined for a path that none has. Prefill workers say `P`, others `D`, per token. */
export function answerTo(got: Received): Answer | undefined {
  const path = got.path.split("?")[0];
  const words = Array.from({ length: tokensOf(got) }, () => (got.role === "prefill" ? "P" : "D"));
  if (path === "/v1/chat/completions") return chat(got, words);
  if (path === "/v1/completions") return completion(got, words);
  if (path === "/v1/messages") return message(got, words);
  if (path === "/v1/responses") return response(got, words);
  if (path === "/inference/v1/generate") return generated(got, words);
  return path === "/generate" ? sglang(got, words) : undefined;
}

export function event(value: unknown, name?: string): string {
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(value)}\n\n`;
}

const done = "data: [DONE]\n\n";

function tokensOf({ json }: Received): number {
  const sampling = json["sampling_params"] as { readonly max_tokens?: unknown; readonly max_new_tokens?: unknown };
  const limits = [json["max_tokens"], json["max_completion_tokens"], json["max_output_tokens"]];
  const given = [...limits, sampling?.max_tokens, sampling?.max_new_tokens].filter((each) => typeof each === "number");
  return Math.min(maxTokens, ...given);
}

function usage(words: readonly string[]): Readonly<Record<string, unknown>> {
  return { prompt_tokens: 3, completion_tokens: words.length, total_tokens: 3 + words.length };
}

function chat({ worker, role, json }: Received, words: readonly string[]): Answer {
  const base = { id: `chatcmpl-${worker}`, created: 1, model: json["model"] ?? "m" };
  const piece = (delta: object, finish: string | null = null): string =>
    event({ ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] });
  const content = words.join("");
  const choice = { index: 0, message: { role: "assistant", content }, finish_reason: "length" };
  const logprobs = json["logprobs"] === true ? { content: words.map((word) => ({ token: word, logprob: -1 })) } : null;
  return {
    whole: {
      ...base,
      object: "chat.completion",
      choices: [{ ...choice, logprobs }],
      usage: usage(words),
      ...(json["prompt_logprobs"] !== undefined && { prompt_logprobs: role === "prefill" ? promptLogprobs : null }),
    },
    events: [
      piece({ role: "assistant", content: "" }),
      ...words.map((word) => piece({ content: word })),
      piece({}, "length"),
      done,
    ],
  };
}

/** Of the three tokens of each prompt. */
const promptLogprobs = [null, { "11": { logprob: -0.5, rank: 1 } }, { "12": { logprob: -0.25, rank: 2 } }];
const promptTokens = ["Say", " a", " word"];

function completion({ worker, role, json }: Received, words: readonly string[]): Answer {
  const base = { id: `cmpl-${worker}`, object: "text_completion", created: 1, model: json["model"] ?? "m" };
  const prefill = role === "prefill";
  // A decode worker has no prompt logits: only the prefill worker can tell those of an echo.
  const tokens = prefill && json["echo"] === true ? [...promptTokens, ...words] : words;
  const logprobs = typeof json["logprobs"] === "number" ? tokenLogprobs(tokens) : null;
  const prompt = prefill && (json["echo"] === true || json["prompt_logprobs"] !== undefined) ? promptLogprobs : null;
  const choice = { index: 0, text: tokens.join(""), logprobs, finish_reason: "length", prompt_logprobs: prompt };
  return {
    whole: { ...base, choices: [choice], usage: usage(words) },
    events: [
      ...words.map((text) => event({ ...base, choices: [{ index: 0, text, finish_reason: null }] })),
      event({ ...base, choices: [{ index: 0, text: "", finish_reason: "length" }] }),
      done,
    ],
  };
}

function tokenLogprobs(tokens: readonly string[]): Readonly<Record<string, unknown>> {
  const offsets = tokens.map((_, i) => tokens.slice(0, i).join("").length);
  return {
    text_offset: offsets,
    token_logprobs: tokens.map((_, i) => -0.125 * (i + 1)),
    tokens,
    top_logprobs: tokens.map((token, i) => ({ [token]: -0.125 * (i + 1) })),
  };
}

function message({ worker, json }: Received, words: readonly string[]): Answer {
  const base = { id: `msg_${worker}`, type: "message", role: "assistant", model: json["model"] ?? "m" };
  const tokens = { input_tokens: 3, output_tokens: words.length };
  const piece = (type: string, rest: object): string => event({ type, ...rest }, type);
  return {
    whole: { ...base, content: [{ type: "text", text: words.join("") }], stop_reason: "max_tokens", usage: tokens },
    events: [
      piece("message_start", { message: { ...base, content: [], stop_reason: null, usage: tokens } }),
      piece("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      ...words.map((text) => piece("content_block_delta", { index: 0, delta: { type: "text_delta", text } })),
      piece("content_block_stop", { index: 0 }),
      piece("message_delta", { delta: { stop_reason: "max_tokens" }, usage: { output_tokens: words.length } }),
      piece("message_stop", {}),
    ],
  };
}

function response({ worker, json }: Received, words: readonly string[]): Answer {
  const text = words.join("");
  const content = [{ type: "output_text", text, annotations: [] }];
  const output = [{ type: "message", id: `msg_${worker}`, role: "assistant", status: "completed", content }];
  const whole = { id: `resp_${worker}`, object: "response", created_at: 1, status: "completed", output };
  const deltas = words.map((delta) =>
    event({ type: "response.output_text.delta", delta }, "response.output_text.delta"),
  );
  const completed = event({ type: "response.completed", response: whole }, "response.completed");
  return { whole: { ...whole, model: json["model"] ?? "m" }, events: [...deltas, completed] };
}

/** Token in, token out. */
function generated({ worker }: Received, words: readonly string[]): Answer {
  const choices = [{ index: 0, token_ids: words.map((_, i) => i + 1), finish_reason: "length" }];
  const whole = { request_id: worker, choices };
  return { whole, events: [event(whole), done] };
}

function sglang({ role, json }: Received, words: readonly string[]): Answer {
  const logprobs = json["return_logprob"] === true ? { input_token_logprobs: inputLogprobs(role === "prefill") } : {};
  const meta = (count: number): object => ({ id: "1", prompt_tokens: 3, completion_tokens: count, ...logprobs });
  const upTo = (count: number): object => ({ text: words.slice(0, count).join(""), meta_info: meta(count) });
  return {
    whole: { text: words.join(""), meta_info: meta(words.length) },
    events: [...words.map((_, i) => event(upTo(i + 1))), done],
  };
}

/** Logprob, token id, text. */
function inputLogprobs(prefill: boolean): readonly unknown[] {
  return prefill
    ? [
        [null, 9906, null],
        [-0.5, 1917, null],
      ]
    : [[-0.75, 0, null]];
}
