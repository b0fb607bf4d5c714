import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { ProxyError } from "../errors.ts";
import type { Route } from "./route.ts";
import type { Target } from "./target.ts";

export type HeaderRecord = Record<string, string | string[] | undefined>;

/** A whole answer made here rather than by an upstream. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array;
}

/** The request of one attempt; rebuilt from the client's for each. */
export interface UpstreamRequest {
  method: string;
  /** Path and query as the upstream gets them, base path included. */
  path: string;
  /** Lower-case names. Framing headers are core's and ignored here. */
  headers: HeaderRecord;
  /** `"stream"`: the client's body as it arrives. */
  body: Uint8Array | null | "stream";
}

/** The head of an upstream's response, before it is written to the client. */
export interface UpstreamHead {
  status: number;
  /** Lower-case names, hop-by-hop and framing removed. */
  headers: HeaderRecord;
}

/** One client request and its response, from first header to last byte. */
export interface Exchange {
  readonly id: string;
  /** `performance.now()` when the head was read. */
  readonly startedAt: number;
  readonly method: string;
  /** The path as it came, and as it is matched and forwarded: one string, no second spelling. */
  readonly path: string;
  /** `""` or the query with its `?`, bytes unchanged. */
  readonly search: string;
  readonly headers: IncomingHttpHeaders;
  /** The client's address; the forwarded one only if the peer is a trusted proxy. */
  readonly ip: string | undefined;
  /** Undefined unless a plugin declared that it needs the body. */
  readonly body: Uint8Array | undefined;
  /** The body parsed, once; undefined when there is none or it is not JSON. */
  json<T = unknown>(): T | undefined;
  model: string | undefined;
  route: Route | undefined;
  /** The target of the current or last attempt. */
  readonly target: Target | undefined;
  /** Attempts started so far. */
  readonly attempt: number;
  readonly tried: readonly Target[];
  readonly upstream: UpstreamRequest;
  readonly committed: boolean;
  /** A plugin answers it here, such as `/health`, and no upstream; known from the hook `request` on. */
  readonly control: boolean;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  /** Only in `explain`: a plugin pushes a sentence on what it decided. */
  readonly notes: string[] | undefined;
  readonly node: { readonly req: IncomingMessage; readonly res: ServerResponse };
}

/** A plugin's own value on an exchange; a numbered slot, not a property. */
export interface Slot<T> {
  get(x: Exchange): T | undefined;
  set(x: Exchange, value: T): void;
}

/**
 * - `ok` a whole response below 500; `status` a whole response of 500 and above
 * - `connect`, `reset`, `timeout` the upstream failed before the response head
 * - `stream-error` it broke after; `stalled` it, or the client, stopped taking part
 * - `client-abort` the client left; `plugin` a hook threw; `local` answered without an upstream
 */
export type OutcomeKind =
  | "ok"
  | "status"
  | "connect"
  | "reset"
  | "timeout"
  | "stalled"
  | "stream-error"
  | "client-abort"
  | "plugin"
  | "local";

/** How an attempt or an exchange ended; known only when the last byte is through. */
export interface Outcome {
  readonly kind: OutcomeKind;
  /** 0 if no response head was seen. */
  readonly status: number;
  /** Some of the request may have reached an upstream. */
  readonly sent: boolean;
  /** Milliseconds to the response head; 0 without one. */
  readonly ttfb: number;
  /** Milliseconds. */
  readonly duration: number;
  /** Bytes of request body; of response body. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly error: ProxyError | undefined;
}
