import * as v from "valibot";
import { definePlugin, type Exchange, isJson, type Plugin, type UpstreamHead } from "../../core/index.ts";

export interface KeepAliveOptions {
  /** Milliseconds without an answer until the first comment. @default 10000 */
  after?: number;
  /** Milliseconds from one comment to the next. @default 10000 */
  every?: number;
  /** What the comments say, on one line. @default "keep-alive" */
  comment?: string;
}

const milliseconds = v.pipe(
  v.number(),
  v.minValue(1, "Expected 1 or more milliseconds"),
  v.finite("Expected 1 or more milliseconds"),
);

const schema: v.GenericSchema<KeepAliveOptions, Required<KeepAliveOptions>> = v.strictObject({
  after: v.optional(milliseconds, 10_000),
  every: v.optional(milliseconds, 10_000),
  comment: v.optional(v.pipe(v.string(), v.regex(/^[^\r\n]*$/, "Expected one line, without CR or LF")), "keep-alive"),
} satisfies { [K in keyof Required<KeepAliveOptions>]: v.GenericSchema<KeepAliveOptions[K], unknown> });

const head: UpstreamHead = {
  status: 200,
  headers: {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
  },
};

/**
 * Sends comments to clients whose event stream has yet to begin.
 *
 * So that no load balancer in between, and no client, takes a long prefill or a wait in `queue` for a dead connection. A
 * request asks for a stream by a JSON body with `"stream": true` at its top level; nothing else is answered before its
 * time, and nothing is sent once the answer has begun. OpenAI's and Anthropic's clients pass comments over, as the
 * standard demands; some that read streams by hand do not.
 *
 * With the first comment the client has a status of 200 and these headers. The upstream's own (rate limits, request ids)
 * are lost then, and whatever goes wrong is told as an event in the stream, of an upstream's error only the status;
 * clients that retry by status do not retry. Until the answer begins, targets are still changed and hedged. Choose `after`
 * above what refusals take, and below the shortest idle timeout on the way, often 60 s.
 *
 * Not for APIs that stream in another type, such as Ollama's own in lines of JSON: name it in the `plugins` of a mount
 * for the others. Comments are as WHATWG's standard of server-sent events has them; OpenRouter and LiteLLM send such.
 *
 * @example
 * keepAlive({ after: 15_000 });
 */
export const keepAlive: (options?: KeepAliveOptions) => Plugin = definePlugin({
  name: "keep-alive",
  options: schema,
  setup(proxy, { after, every, comment }) {
    proxy.needs({ body: "json" });
    // After a reload the sweeps of the next generation go on with those who wait.
    const waiting = proxy.keep("waiting", createWaiting);
    const bytes = Buffer.from(`: ${comment}\n\n`);

    proxy.every(pauseOf(after, every), () => {
      waiting.sweep({ after, every, tell: (x) => proxy.early(x, head, bytes) });
    });

    return {
      inspect(x) {
        if (x.body === undefined) return undefined;
        if (x.notes === undefined) return waiting.add(x);
        if (asksForStream(x)) x.notes.push(`keep-alive: comments after ${after} ms without an answer`);
        return undefined;
      },
      end(x) {
        waiting.remove(x);
        return undefined;
      },
    };
  },
});

/** Milliseconds from sweep to sweep: each comment is late by no more than this. */
function pauseOf(after: number, every: number): number {
  return Math.min(1_000, Math.max(10, Math.min(after, every) / 4));
}

interface Sweep {
  readonly after: number;
  readonly every: number;
  /** False: the answer has begun, or is over. */
  readonly tell: (x: Exchange) => boolean;
}

interface Waiting {
  add(x: Exchange): void;
  remove(x: Exchange): void;
  sweep(sweep: Sweep): void;
}

function createWaiting(): Waiting {
  /** What they ask for is not known yet: most are answered before it matters. */
  const fresh = new Set<Exchange>();
  /** `performance.now()` of the next comment. */
  const streams = new Map<Exchange, number>();

  function sort(now: number, after: number): void {
    for (const x of fresh) {
      if (x.committed) fresh.delete(x);
      if (x.committed || now - x.startedAt < after) continue;
      fresh.delete(x);
      if (asksForStream(x)) streams.set(x, now);
      // Of many long bodies, the rest is looked at in the next sweep.
      if (performance.now() - now > patience) return;
    }
  }

  return {
    add: (x) => void fresh.add(x),
    remove: (x) => void (fresh.delete(x) || streams.delete(x)),
    sweep({ after, every, tell }) {
      const now = performance.now();
      sort(now, after);
      for (const [x, due] of streams) {
        if (now < due) continue;
        streams.delete(x);
        if (tell(x)) streams.set(x, now + every);
      }
    },
  };
}

/** Milliseconds that a sweep may look into bodies. */
const patience = 10;

const key: Buffer = Buffer.from(`"stream"`);
const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d];

function asksForStream({ body, headers }: Exchange): boolean {
  if (body === undefined || !isJson(headers["content-type"] ?? "")) return false;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return bytes.includes(key) && isStreamTrue(bytes);
}

/** Whether the last top-level `"stream"` is true. Parsing a body of some MiB can take seconds, and what it makes is kept. */
function isStreamTrue(bytes: Buffer): boolean {
  let depth = 0;
  let asks = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === openBrace || byte === openBracket) depth += 1;
    else if (byte === closeBrace || byte === closeBracket) depth -= 1;
    if (byte !== quote) continue;
    const end = endOfString(bytes, at);
    if (depth === 1 && isKey(bytes, at, end)) asks = valueAt(bytes, end) ?? asks;
    at = end - 1;
  }
  return asks;
}

/** From the opening quote to behind the closing one. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === backslash) at += 1;
    else if (bytes[at] === quote) return at + 1;
  }
  return bytes.length;
}

function isKey(bytes: Buffer, start: number, end: number): boolean {
  return end - start === key.length && bytes.compare(key, 0, key.length, start, end) === 0;
}

/** What stands behind a key; undefined: it was none. */
function valueAt(bytes: Buffer, from: number): boolean | undefined {
  const [, value] = /^\s*:\s*(\w*)/.exec(bytes.toString("latin1", from, from + 64)) ?? [];
  return value === undefined ? undefined : value === "true";
}
