import type { Duplex } from "node:stream";
import type { OutcomeKind } from "../contract/exchange.ts";
import type { TransportCall, TransportSink } from "../contract/services.ts";
import type { ExtraAnswer, ExtraAttemptOptions } from "../contract/setup.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { isResetting } from "../targets/connections.ts";
import type { PoolTarget } from "../targets/target.ts";
import { contentLength, endToEnd, type Headers } from "../wire/response-headers.ts";
import { connectFault, responseFault } from "../wire/upstream-fault.ts";
import { countEnd, countHead, tellEnd } from "./attempt-count.ts";
import type { ActiveExchange } from "./exchange.ts";
import type { ExtraExchange } from "./extra-exchange.ts";

type State = "preparing" | "connecting" | "waiting" | "streaming" | "done";

const defaultLimit = 1024 * 1024;
const nothing: Uint8Array = new Uint8Array(0);

/** One more request of an exchange, whose answer goes to the plugin that asked for it. */
export class ExtraCall implements TransportSink {
  readonly target: PoolTarget;
  readonly answer: Promise<ExtraAnswer>;
  state: State = "preparing";
  /** `performance.now()` when the current state began; while streaming, when the last bytes came. */
  since: number = performance.now();
  readonly #face: ExtraExchange;
  readonly #options: ExtraAttemptOptions;
  readonly #plugin: string;
  readonly #limit: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #resolve: (answer: ExtraAnswer) => void = () => {};
  #reject: (error: ProxyError) => void = () => {};
  #call: TransportCall | undefined = undefined;
  /** Why it was ended from this side. */
  #ended: ProxyError | undefined = undefined;
  #startedAt = 0;
  #status = 0;
  #ttfb = 0;
  #headers: Headers | undefined = undefined;
  #received = 0;
  readonly #kept: Uint8Array[] = [];
  /** Bytes of body the head promised; -1 when it did not say. */
  #length = -1;

  constructor(face: ExtraExchange, options: ExtraAttemptOptions, plugin: string) {
    this.target = face.target as PoolTarget;
    this.#face = face;
    this.#options = options;
    this.#plugin = plugin;
    this.#limit = options.limit ?? defaultLimit;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.answer.catch(() => {}); // Nobody has to wait for it.
    if (options.detached === undefined) return;
    this.#timer = setTimeout(() => this.#late(), options.detached).unref();
    this.x.generation.proxy.active.detached.add(this);
  }

  get x(): ActiveExchange {
    return this.#face.real;
  }

  /** Its request is as the hooks want it. */
  send(): void {
    if (this.state !== "preparing") return;
    const { x, target } = this;
    const { selector } = this.#options;
    const { upstream } = this.#face;
    try {
      this.#options.edit?.(upstream);
      if (upstream.body === "stream") throw new TypeError("an extra attempt needs a whole body, and not a stream");
    } catch (cause) {
      return this.stop("plugin", this.#blame(cause, "attempt"));
    }
    this.state = "connecting";
    this.since = this.#startedAt = performance.now();
    x.generation.proxy.ledger.started(target.live);
    try {
      selector?.attemptStart?.(target, x);
    } catch (cause) {
      return this.stop("plugin", this.#blame(cause, "select"));
    }
    try {
      this.#call = x.generation.transport(target).send(target, this.#face, this);
    } catch (cause) {
      return this.#fail("plugin", new ProxyError("internal_error", "The proxy failed.", { phase: "send", cause }));
    }
    // It may have come to an end while it was being sent.
    if (this.#ended !== undefined) this.#call.abort(this.#ended);
  }

  connected(): void {
    if (this.state !== "connecting") return;
    this.state = "waiting";
    this.since = performance.now();
  }

  head(status: number, headers: Headers): void {
    if (this.state === "done" || status < 200) return;
    this.state = "streaming";
    this.since = performance.now();
    this.#status = status;
    this.#ttfb = this.since - this.#startedAt;
    this.#headers = headers;
    countHead(this.target.live, status, this.#ttfb);
    // undici takes a 304's Content-Length for a promise, and fails.
    const bodiless = this.#face.upstream.method === "HEAD" || status === 204 || status === 304;
    this.#length = bodiless ? 0 : contentLength(headers);
    if (this.#length === 0) this.#complete();
    else if (this.#limit > 0 && this.#length > this.#limit) this.#tooLong();
  }

  data(chunk: Uint8Array): boolean {
    if (this.state === "done") return true;
    this.since = performance.now();
    this.#received += chunk.length;
    try {
      this.#options.onData?.(chunk);
    } catch (cause) {
      this.stop("plugin", this.#blame(cause, "attempt"));
    }
    if (this.#isDone()) return true;
    if (this.#limit > 0) {
      if (this.#received > this.#limit) this.#tooLong();
      else this.#kept.push(chunk);
    }
    if (this.#length >= 0 && this.#received >= this.#length) this.#complete();
    return true;
  }

  end(): void {
    if (this.state === "done") return;
    if (isResetting()) return this.error(new Error("reset"));
    this.#complete();
  }

  error(error: Error): void {
    if (this.state === "done") return;
    const { id } = this.target;
    if (this.state === "connecting") {
      const fault = connectFault(error, id);
      return this.#fail(fault.source === "upstream" ? "connect" : "local", fault);
    }
    const begun = this.state === "streaming";
    const fault = isProxyError(error) ? error : responseFault(error, id, begun);
    if (begun) this.#fail("stream-error", fault);
    else this.#fail(fault.source === "upstream" ? "reset" : "plugin", fault);
  }

  upgrade(_status: number, _headers: Headers, socket: Duplex): void {
    socket.destroy();
    const text = "The upstream switched to a protocol that was not asked for.";
    if (this.state !== "done")
      this.#fail("reset", new ProxyError("upstream_protocol", text, { target: this.target.id }));
  }

  /** Ends it from this side. */
  stop(kind: OutcomeKind, error: ProxyError): void {
    if (this.state === "done") return;
    this.#ended = error;
    this.#fail(kind, error);
    this.#call?.abort(error);
  }

  /** Nobody wants its answer any more. */
  giveUp(): void {
    const left = this.x.error?.source === "client" ? this.x.error : undefined;
    if (left !== undefined) return this.stop("client-abort", left);
    this.stop("local", givenUp());
  }

  #late(): void {
    this.stop("timeout", new ProxyError("total_timeout", "The request took longer than it may.", { phase: "total" }));
  }

  #tooLong(): void {
    const text = `The upstream's answer is longer than ${this.#limit} bytes.`;
    this.stop("stream-error", new ProxyError("upstream_protocol", text, { target: this.target.id, retryable: false }));
  }

  /** A call in between may have ended it. */
  #isDone(): boolean {
    return this.state === "done";
  }

  #complete(): void {
    if (this.state === "done") return;
    this.#settle(this.#status >= 500 ? "status" : "ok", undefined);
    const [first = nothing, ...more] = this.#kept;
    const body = more.length === 0 ? first : Buffer.concat(this.#kept);
    this.#resolve({ status: this.#status, headers: endToEnd(this.#headers ?? {}), body });
  }

  #fail(kind: OutcomeKind, error: ProxyError): void {
    if (this.state === "done") return;
    this.#settle(kind, error);
    this.#reject(error);
    if (this.#options.detached !== undefined && error.cause !== undefined && error.source === "proxy")
      this.x.generation.log.error(`an extra attempt of plugin ${this.#plugin} failed:`, error.cause);
  }

  /** Exactly once; told only if it was begun. */
  #settle(kind: OutcomeKind, error: ProxyError | undefined): void {
    const { x, target } = this;
    const begun = this.state !== "preparing";
    const sent = begun && this.state !== "connecting";
    this.state = "done";
    clearTimeout(this.#timer);
    x.generation.proxy.active.detached.delete(this);
    x.extras = x.extras?.filter((extra) => extra !== this);
    if (!begun) return;
    countEnd(x, target.live, kind, error);
    const { body } = this.#face.upstream;
    const outcome = {
      kind,
      status: this.#status,
      sent,
      ttfb: this.#ttfb,
      duration: performance.now() - this.#startedAt,
      bytesIn: body?.length ?? 0,
      bytesOut: this.#received,
      error,
    };
    tellEnd(x, target, outcome, { selector: this.#options.selector, name: `of plugin ${this.#plugin}` });
  }

  #blame(cause: unknown, phase: string): ProxyError {
    if (isProxyError(cause)) return cause;
    return new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin: this.#plugin, phase, cause });
  }
}

function givenUp(): ProxyError {
  return new ProxyError("client_closed", "Nobody waits for the answer any more.");
}
