import * as v from "valibot";
import { definePlugin, type Exchange, type Plugin, type ProxyError, type Relay, type Slot } from "../../core/index.ts";
import { FirstTokenFinder, kindOf, StreamLines } from "./_content.ts";
import { isEventStream } from "./_event-stream.ts";
import { type Usage, UsageFinder } from "./_usage.ts";

export interface SseOptions {
  /** Milliseconds of upstream silence after which a stream counts as broken; 0 is no limit. @default 300000 */
  idle?: number;
  /**
   * How a broken stream is told before the connection is cut: `"data"` as an event without a name, which clients of
   * OpenAI's API throw as their error; `"event"` as one named `error`; `"auto"` as the API of the request's path has it
   * (`/messages` Anthropic's, `/responses` OpenAI's responses, else as `"data"`); false cuts without a word. @default "auto"
   */
  errorEvent?: "auto" | "data" | "event" | false;
  /** A clock in milliseconds. @default performance.now */
  now?: () => number;
}

interface Settings {
  readonly idle: number;
  readonly errorEvent: "auto" | "data" | "event" | false;
  readonly now: () => number;
}

const schema: v.GenericSchema<SseOptions, Settings> = v.strictObject({
  idle: v.optional(
    v.pipe(v.number(), v.integer("Expected whole milliseconds"), v.minValue(0, "Expected 0 or more")),
    300_000,
  ),
  errorEvent: v.optional(v.union([v.picklist(["auto", "data", "event"]), v.literal(false)]), "auto"),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
    () => () => performance.now(),
  ),
} satisfies { [K in keyof Required<SseOptions>]: v.GenericSchema<SseOptions[K], unknown> });

/**
 * Relays server-sent events unchanged, tells a break, and notes the token usage.
 *
 * For every proxy in front of an API that streams `text/event-stream`; answers of other types, and compressed ones, it
 * leaves alone. Bytes pass as they came, chunk by chunk. A stream that breaks, or is silent for `idle`, gets one error
 * event of its own and is then cut, never ended. Usage as OpenAI's and Anthropic's APIs tell it goes into the slot
 * "usage", for plugins that count or log; into the slot "first-token" go the milliseconds from the response head to the
 * first token of content, be it text, reasoning or a tool call. A stream without content has none. The slot
 * "stream-failed" is true for one that its upstream ended with an error event. Answers in one piece are for `jsonUsage`.
 *
 * @example
 * sse({ idle: 60_000, errorEvent: "event" });
 */
export const sse: (options?: SseOptions) => Plugin = definePlugin({
  name: "sse",
  options: schema,
  setup(proxy, options) {
    const slots = {
      usage: proxy.slot<Usage>("usage"),
      firstToken: proxy.slot<number>("first-token"),
      failed: proxy.slot<boolean>("stream-failed"),
    };
    proxy.provide("relay", "sse", {
      match: (_x, head) => isEventStream(head),
      create: (x) => new SseRelay(x, slots, options),
    });
  },
});

interface Slots {
  readonly usage: Slot<Usage>;
  readonly firstToken: Slot<number>;
  readonly failed: Slot<boolean>;
}

class SseRelay implements Relay {
  readonly idle: number;
  readonly #x: Exchange;
  readonly #slots: Slots;
  readonly #errorEvent: Settings["errorEvent"];
  readonly #finder: UsageFinder = new UsageFinder();
  readonly #now: () => number;
  /** When the response head was there, for a relay is made then. */
  readonly #startedAt: number;
  #firstToken: FirstTokenFinder | undefined = new FirstTokenFinder();
  /** The last two chunks, in which a stream that failed says so: looking at each would cost too much. */
  #last: Uint8Array | undefined = undefined;
  #before: Uint8Array | undefined = undefined;

  constructor(x: Exchange, slots: Slots, settings: Settings) {
    this.#x = x;
    this.#slots = slots;
    this.idle = settings.idle;
    this.#errorEvent = settings.errorEvent;
    this.#now = settings.now;
    this.#startedAt = settings.now();
  }

  data(chunk: Uint8Array): Uint8Array {
    if (this.#firstToken?.feed(chunk) === true) {
      this.#slots.firstToken.set(this.#x, this.#now() - this.#startedAt);
      this.#firstToken = undefined;
    }
    if (this.#finder.feed(chunk)) this.#slots.usage.set(this.#x, this.#finder.usage);
    this.#before = this.#last;
    this.#last = chunk;
    return chunk;
  }

  end(): null {
    if (endsWithError(this.#before, this.#last)) this.#slots.failed.set(this.#x, true);
    return null;
  }

  broken(error: ProxyError): Uint8Array | null {
    if (this.#errorEvent === false) return null;
    return toEvent(error, this.#errorEvent === "auto" ? dialectOf(this.#x.path) : this.#errorEvent);
  }
}

/** Whether the end of a stream, or what follows the first line in it, has an error event. */
function endsWithError(...chunks: readonly (Uint8Array | undefined)[]): boolean {
  const lines = new StreamLines();
  const isError = (line: string): boolean => kindOf(line) === "error";
  return chunks.some((chunk) => chunk !== undefined && lines.feed(chunk, isError));
}

type Dialect = "data" | "event" | "anthropic" | "responses";

function dialectOf(path: string): Dialect {
  if (path.endsWith("/messages")) return "anthropic";
  return path.endsWith("/responses") ? "responses" : "data";
}

/**
 * The blank lines before it end what the break left open, whatever that is: half a line, a line without its event's
 * end, the CR of a CRLF. Where nothing was left open they mean nothing.
 */
function toEvent(error: ProxyError, dialect: Dialect): Uint8Array {
  const name = dialect === "data" ? "" : "event: error\n";
  return Buffer.from(`\n\n${name}data: ${escapeBreaks(JSON.stringify(toBody(error, dialect)))}\n\n`);
}

function toBody({ message, code }: ProxyError, dialect: Dialect): object {
  if (dialect === "anthropic") return { type: "error", error: { type: "api_error", message } };
  if (dialect === "responses") return { type: "error", code, message, param: null };
  return { error: { message, type: "server_error", code, param: null } };
}

/** JSON escapes CR and LF; some clients break lines at these as well. */
function escapeBreaks(json: string): string {
  return json.replace(/[\u0085\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
