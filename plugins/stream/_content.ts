/** Bytes of a line that are looked into; an event with one token is far shorter, and a longer one is passed over. */
const longest = 65_536;

/** What a chunk of chat completions carries in its delta, beside the role. */
const deltaFields: readonly string[] = ["content", "reasoning_content", "reasoning", "refusal", "tool_calls"];
/** What a delta of Anthropic's messages carries. */
const blockFields: readonly string[] = ["text", "thinking", "partial_json"];

type Fields = Readonly<Record<string, unknown>>;

/** Takes the lines of a stream of events out of its chunks. */
export class StreamLines {
  /** The beginning of a line that goes on in the next chunk. */
  #line = "";
  /** Inside of a line that was too long. */
  #skipping = false;

  /** Hands on each line that this chunk ends, until `told` returns true. */
  feed(chunk: Uint8Array, told: (line: string) => boolean): boolean {
    // One character for each byte: what the text says does not matter, and no character can be cut in two.
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("latin1");
    const pieces = text.split(/[\n\r]/);
    const rest = pieces.pop() ?? "";
    for (const piece of pieces) {
      this.#add(piece);
      if (told(this.#line)) return true;
      this.#line = "";
      this.#skipping = false;
    }
    this.#add(rest);
    return false;
  }

  #add(piece: string): void {
    this.#skipping ||= this.#line.length + piece.length > longest;
    this.#line = this.#skipping ? "" : this.#line + piece;
  }
}

/**
 * Finds the first event of a stream that has content, as OpenAI's and Anthropic's APIs send it.
 *
 * Comments, pings, roles, empty deltas and usage are none: a server sends those before the model has begun.
 */
export class FirstTokenFinder {
  readonly #lines: StreamLines = new StreamLines();

  /** True if this chunk ends a line with content in it. */
  feed(chunk: Uint8Array): boolean {
    return this.#lines.feed(chunk, hasContent);
  }
}

/** What a line says of the answer: tokens, that the upstream failed, that it is over, or nothing of the kind. */
export type LineKind = "content" | "error" | "end" | "other";

/** Both as OpenAI's chat, completions and responses have it, vLLM, and Anthropic's messages. */
export function kindOf(line: string): LineKind {
  if (!line.startsWith("data:")) return "other";
  const data = line.slice("data:".length);
  if (data.trim() === "[DONE]") return "end";
  const event = toFields(data);
  if (isError(event)) return isClientsFault(event) ? "end" : "error";
  if (isContent(event)) return "content";
  return isEnd(event) ? "end" : "other";
}

function isError(event: Fields): boolean {
  if (isFields(event.error) || isFilled(event.error)) return true;
  return event.object === "error" || event.type === "error" || event.type === "response.failed";
}

/** No other upstream would take such a request either. */
function isClientsFault(event: Fields): boolean {
  const error = isFields(event.error) ? event.error : event;
  const code = Number(error.code);
  if (code >= 400 && code < 500) return code !== 408 && code !== 429;
  return typeof error.type === "string" && /^(?:invalid_request_error|BadRequestError)$/.test(error.type);
}

function isEnd(event: Fields): boolean {
  if (Array.isArray(event.choices)) {
    return event.choices.some((choice) => isFields(choice) && isFilled(choice.finish_reason));
  }
  return event.type === "message_stop" || event.type === "response.completed" || event.type === "response.incomplete";
}

function hasContent(line: string): boolean {
  if (!line.startsWith("data:")) return false;
  return isContent(toFields(line.slice("data:".length)));
}

function isContent(event: Fields): boolean {
  if (Array.isArray(event.choices)) return event.choices.some(isFilledChoice);
  if (event.type === "content_block_delta") return isAnyFilled(event.delta, blockFields);
  return typeof event.type === "string" && event.type.endsWith(".delta") && isFilled(event.delta);
}

function isFilledChoice(choice: unknown): boolean {
  if (!isFields(choice)) return false;
  return isFilled(choice.text) || isAnyFilled(choice.delta, deltaFields);
}

function isAnyFilled(delta: unknown, names: readonly string[]): boolean {
  return isFields(delta) && names.some((name) => isFilled(delta[name]));
}

function isFilled(value: unknown): boolean {
  return (typeof value === "string" || Array.isArray(value)) && value.length > 0;
}

function toFields(json: string): Fields {
  try {
    const value: unknown = JSON.parse(json);
    return isFields(value) ? value : {};
  } catch {
    return {}; // "[DONE]", or an event that is no JSON: it has no token that could be told
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
