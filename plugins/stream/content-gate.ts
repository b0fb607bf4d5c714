import * as v from "valibot";
import { definePlugin, type Gate, type Plugin, ProxyError } from "../../core/index.ts";
import { kindOf, type LineKind, StreamLines } from "./_content.ts";
import { isEventStream } from "./_event-stream.ts";

export interface ContentGateOptions {
  /** Milliseconds from the response head to the first content; 0 is no limit. @default 30000 */
  within?: number;
  /** Bytes that are held; a stream of more passes. @default 65536 */
  limit?: number;
  /** The speed that a stream has to show before it passes. @default any */
  floor?: ContentGateFloor;
  /** A clock in milliseconds. @default performance.now */
  now?: () => number;
}

export interface ContentGateFloor {
  /** Tokens per second, where each event with content counts as one. */
  perSecond: number;
  /** Milliseconds from the first content that it is measured for, and the client waits for longer. @default 2000 */
  over?: number;
}

interface Settings {
  readonly within: number;
  readonly limit: number;
  readonly floor?: Required<ContentGateFloor> | undefined;
  readonly now: () => number;
}

const positive = (expected: string): v.GenericSchema<number> => v.pipe(v.number(), v.gtValue(0, expected));

const floorSchema: v.GenericSchema<ContentGateFloor, Required<ContentGateFloor>> = v.strictObject({
  perSecond: positive("Expected tokens per second above 0"),
  over: v.optional(positive("Expected milliseconds above 0"), 2_000),
} satisfies { [K in keyof Required<ContentGateFloor>]: v.GenericSchema<ContentGateFloor[K], unknown> });

const schema: v.GenericSchema<ContentGateOptions, Settings> = v.strictObject({
  within: v.optional(
    v.pipe(v.number(), v.integer("Expected whole milliseconds"), v.minValue(0, "Expected 0 or more")),
    30_000,
  ),
  limit: v.optional(
    v.pipe(v.number(), v.integer("Expected whole bytes"), v.minValue(1, "Expected 1 byte or more")),
    65_536,
  ),
  floor: v.optional(floorSchema),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
    () => () => performance.now(),
  ),
} satisfies { [K in keyof Required<ContentGateOptions>]: v.GenericSchema<ContentGateOptions[K], unknown> });

/**
 * Holds a stream back until its first token, so that a bad one can fail over.
 *
 * For streams of OpenAI's and Anthropic's APIs whose upstreams answer 200 first and find out later: an error event, a
 * break, or no content in time then sends the request to another target, whatever its method, within the attempts of
 * the route, for which JSON bodies are read whole. Roles, comments, pings and empty deltas are no content. The client waits for the head until the first
 * token, and with `floor` for as long as the speed is measured: not for clients that need the head at once, unless
 * `keepAlive` sends it. A target that is asked again may charge for both answers. Streams that are compressed, and
 * answers in one piece, pass as they come.
 *
 * @example
 * contentGate({ within: 10_000, floor: { perSecond: 5 } });
 */
export const contentGate: (options?: ContentGateOptions) => Plugin = definePlugin({
  name: "content-gate",
  options: schema,
  setup(proxy, settings) {
    // A body that is sent on as it comes cannot be sent again.
    proxy.needs({ body: "json" });
    proxy.provide("gate", "content-gate", {
      match: (_x, head) => head.status === 200 && isEventStream(head),
      create: () => new ContentGate(settings),
    });
  },
});

class ContentGate implements Gate {
  timeout: number;
  readonly limit: number;
  readonly #settings: Settings;
  readonly #lines: StreamLines = new StreamLines();
  readonly #startedAt: number;
  /** When the first content was there; undefined before. */
  #contentAt: number | undefined = undefined;
  #tokens = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.timeout = settings.within;
    this.limit = settings.limit;
    this.#startedAt = settings.now();
  }

  data(chunk: Uint8Array): "hold" | "pass" | ProxyError {
    let verdict: "pass" | ProxyError | undefined;
    this.#lines.feed(chunk, (line) => {
      verdict = this.#judge(kindOf(line));
      return verdict !== undefined;
    });
    return verdict ?? "hold";
  }

  #judge(kind: LineKind): "pass" | ProxyError | undefined {
    if (kind === "error") return new ProxyError("upstream_protocol", "The upstream failed before its first token.");
    // Short, or empty on purpose: an answer that is over is an answer.
    if (kind === "end") return "pass";
    if (kind === "other") return undefined;
    const { floor } = this.#settings;
    return floor === undefined ? "pass" : this.#measure(floor);
  }

  #measure({ perSecond, over }: Required<ContentGateFloor>): "pass" | ProxyError | undefined {
    const now = this.#settings.now();
    if (this.#contentAt === undefined) {
      this.#contentAt = now;
      // One that stops after its first token is not fast either.
      this.timeout = Math.ceil(now - this.#startedAt) + over;
      return undefined;
    }
    this.#tokens += 1;
    if (this.#tokens >= (perSecond * over) / 1_000) return "pass";
    if (now - this.#contentAt < over) return undefined;
    return new ProxyError("upstream_timeout", "The upstream answered too slowly.");
  }
}
