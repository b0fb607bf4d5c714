import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Exchange, OutcomeKind, UpstreamRequest } from "../contract/exchange.ts";
import type { Route } from "../contract/route.ts";
import type { Target } from "../contract/target.ts";
import type { ProxyError } from "../errors.ts";
import type { Generation } from "../generation/generation.ts";
import type { Site } from "../generation/site.ts";
import { type Connection, connectionOf } from "../wire/connection.ts";
import type { Attempt } from "./attempt.ts";
import type { Intake } from "./body.ts";
import type { EarlyHead } from "./early.ts";
import type { ExtraCall } from "./extra-attempt.ts";

const exchangeKey: unique symbol = Symbol("plugboard.exchange");

interface Carrier {
  [exchangeKey]?: ActiveExchange;
}

/** The exchange of a Node request or response. */
export function exchangeOf(carrier: object): ActiveExchange {
  return (carrier as Carrier)[exchangeKey] as ActiveExchange;
}

export const noTargets: readonly Target[] = Object.freeze([]);
const idPrefix = Date.now().toString(36) + Math.random().toString(36).slice(2, 6);
let count = 0;

/** Unique in this process and, by its prefix, hardly ever elsewhere. */
export function newId(): string {
  return `${idPrefix}-${(count++).toString(36)}`;
}

/** An exchange under way. One shape, all fields set at once: this object is made for each request. */
export class ActiveExchange implements Exchange {
  readonly startedAt: number = performance.now();
  readonly method: string;
  path = "";
  search = "";
  model: string | undefined = undefined;
  route: Route | undefined = undefined;
  target: Target | undefined = undefined;
  attempt = 0;
  /** The last attempt that is more than prepared. */
  started = 0;
  tried: readonly Target[] = noTargets;
  body: Buffer | undefined = undefined;
  committed = false;
  control = false;
  slots: unknown[] | undefined = undefined;
  notes: string[] | undefined = undefined;
  /** Made for each attempt; empty before the first. */
  upstream: UpstreamRequest = noUpstream;

  readonly generation: Generation;
  /** What serves it: of its listener, and once its head is read of the mount it belongs to. */
  site: Site;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly connection: Connection;
  /** End-to-end headers of the client's request: name, value, name, value. */
  readonly pairs: string[] = [];
  host = "";
  contentType = "";
  /** Of the request body; -1 when it is not declared. */
  contentLength = -1;
  chunked = false;
  expectContinue = false;
  wantsTrailers = false;
  via = "";
  /** Headers that only a trusted proxy may set: name, value, name, value. */
  forwarded: string[] | undefined = undefined;
  requestId: string | undefined = undefined;
  upgradeTo: string | undefined = undefined;
  /** The client's socket and first bytes, when it asked for an upgrade. */
  tunnel: { readonly socket: Duplex; readonly head: Buffer } | undefined = undefined;

  current: Attempt | undefined = undefined;
  /** A second attempt beside it, as long as neither has a good answer. */
  rival: Attempt | undefined = undefined;
  /** A rival is being prepared. */
  hedging = false;
  /** The head that the client was sent before there was an answer. */
  early: EarlyHead | undefined = undefined;
  /** The route of the current or last attempt. */
  routed: Route | undefined = undefined;
  /** Attempts that count no more: of another route, or before a plugin took it up again. */
  attemptsBefore = 0;
  /** How often plugins took it up again. */
  recoveries = 0;
  /** Further requests on its behalf that are under way. */
  extras: readonly ExtraCall[] | undefined = undefined;
  /** A plugin does not want the attempt that is being prepared. */
  abandoned: ProxyError | undefined = undefined;
  intake: Intake | undefined = undefined;
  /** `performance.now()` since when more of the body is waited for; 0 while it is not. */
  bodyAt = 0;
  /** Nothing more of its body is read until the upstream keeps up. */
  clientHeld = false;
  /** The first piece of a streamed body was looked at. */
  peeked = false;
  /** Bytes relayed to the client; bytes of request body taken in. */
  bytesOut = 0;
  bytesIn = 0;
  ttfb = 0;
  status = 0;
  /** The client knows how long the response body is. */
  lengthDeclared = false;
  /** The request's framing broke: nothing more of it can be read. */
  broken = false;
  /** Bytes of its body that are in memory until it ends. */
  held = 0;
  /** Body bytes were handed on, so that the body cannot be sent again. */
  bodyStarted = false;
  kind: OutcomeKind = "local";
  /** Some of it may have reached an upstream. */
  sent = false;
  error: ProxyError | undefined = undefined;
  /** A target that could have served it had too much to do. */
  full = false;
  /** Paid for out of the retry budget, until it ends. */
  retried = false;
  /** The client is gone. */
  gone = false;
  ended = false;
  /** Neighbours in the list of exchanges under way. */
  previous: ActiveExchange | undefined = undefined;
  next: ActiveExchange | undefined = undefined;

  #id: string | undefined = undefined;
  #ip: string | undefined = undefined;
  #abort: AbortController | undefined = undefined;
  #json: unknown = undefined;
  #parsed = false;

  constructor(generation: Generation, site: Site, req: IncomingMessage, res: ServerResponse) {
    this.generation = generation;
    this.site = site;
    this.req = req;
    this.res = res;
    this.connection = connectionOf(req.socket);
    this.method = req.method as string;
    (req as Carrier)[exchangeKey] = this;
    (res as Carrier)[exchangeKey] = this;
  }

  get node(): { readonly req: IncomingMessage; readonly res: ServerResponse } {
    return this;
  }

  get id(): string {
    return (this.#id ??= newId());
  }

  get headers(): IncomingHttpHeaders {
    return this.req.headers;
  }

  get ip(): string | undefined {
    return (this.#ip ??= this.generation.clientAddress(this));
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.gone) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /** What the peers said of the client, all lines as one. */
  forwardedFor(): string | undefined {
    const lines = (this.forwarded ?? []).filter((_, i, all) => i % 2 === 1 && all[i - 1] === "x-forwarded-for");
    return lines.length === 0 ? undefined : lines.join(", ");
  }

  /** Tells those who asked for the signal that the client left. */
  abortSignal(): void {
    this.#abort?.abort();
  }

  json<T = unknown>(): T | undefined {
    if (!this.#parsed && this.body !== undefined) {
      this.#parsed = true;
      this.#json = parse(this.body);
    }
    return this.#json as T | undefined;
  }

  /** Answered or gone: whatever comes late has nothing to do any more. */
  get over(): boolean {
    return this.ended || this.committed;
  }

  /** The client's connection was handed over to an upstream's. */
  get tunnelled(): boolean {
    return this.status === 101;
  }

  get hasBody(): boolean {
    return this.contentLength > 0 || this.chunked;
  }
}

function parse(body: Buffer | undefined): unknown {
  if (body === undefined) return undefined;
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined; // Not JSON is an answer, not a fault: the caller asked.
  }
}

const noUpstream: UpstreamRequest = Object.freeze({ method: "", path: "", headers: {}, body: null });
