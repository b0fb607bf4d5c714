import type { Duplex } from "node:stream";
import type { OutcomeKind, UpstreamHead } from "../contract/exchange.ts";
import type { Relay, Selector, TransportCall, TransportSink } from "../contract/services.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { ownerOf, relayChain } from "../generation/relay-chain.ts";
import { routeOf } from "../generation/routes.ts";
import { isResetting } from "../targets/connections.ts";
import type { PoolTarget } from "../targets/target.ts";
import { sendInformational } from "../wire/informational.ts";
import { contentLength, endToEnd, type Headers } from "../wire/response-headers.ts";
import { openTunnel } from "../wire/tunnel.ts";
import { connectFault, responseFault } from "../wire/upstream-fault.ts";
import { countEnd, countHead, tellEnd } from "./attempt-count.ts";
import type { ActiveExchange } from "./exchange.ts";
import { mayRetry, type RetryReason } from "./retry-rule.ts";
import { commit, cut, endResponse, fail, writeChunk } from "./respond.ts";

type State = "connecting" | "waiting" | "streaming" | "done";

/** Tries another target, or tells the client of the error. */
export type OnFailure = (x: ActiveExchange, reason: RetryReason, error: ProxyError, asked?: boolean) => void;

const informationalLimit = 32;

/** One try of an exchange against one target; what the transport tells it goes straight to the client. */
export class Attempt implements TransportSink {
  readonly x: ActiveExchange;
  readonly target: PoolTarget;
  /** Of the exchange, from 1 on. */
  readonly number: number;
  state: State = "connecting";
  relay: Relay | undefined = undefined;
  /** The client does not keep up: the upstream is held. */
  paused = false;
  /** The client has the whole body; what the upstream still does changes nothing. */
  delivered = false;
  readonly #selector: Selector;
  readonly #onFailure: OnFailure;
  #call: TransportCall | undefined = undefined;
  readonly #startedAt: number = performance.now();
  /** `performance.now()` when the current state began; while streaming, when the last bytes came. */
  since: number = this.#startedAt;
  #status = 0;
  #ttfb = 0;
  #informational = 0;
  /** Bytes of body still to come; -1 when the upstream did not say. */
  #left = -1;

  constructor(x: ActiveExchange, target: PoolTarget, onFailure: OnFailure) {
    this.x = x;
    this.target = target;
    this.number = x.attempt;
    this.#onFailure = onFailure;
    this.#selector = routeOf(x).selector;
    x.current = this;
    x.generation.proxy.ledger.started(target.live);
  }

  send(): void {
    const { x, target } = this;
    try {
      this.#selector.attemptStart?.(target, x);
    } catch (cause) {
      this.#settle("plugin");
      const plugin = routeOf(x).selectorName;
      return fail(
        x,
        new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase: "select", cause }),
      );
    }
    try {
      this.#call = x.generation.transport(target).send(target, x, this);
    } catch (cause) {
      this.#settle("plugin");
      fail(x, new ProxyError("internal_error", "The proxy failed.", { phase: "send", cause }));
    }
  }

  connected(): void {
    if (this.state !== "connecting") return;
    this.state = "waiting";
    this.x.sent = true;
    this.since = performance.now();
  }

  /** The body is still on its way: the upstream has nothing to answer yet. */
  sending(): void {
    if (this.state === "waiting") this.since = this.x.generation.proxy.active.now;
  }

  head(status: number, headers: Headers): void {
    if (this.state === "done") return;
    if (status < 200) return this.#inform(status, headers);
    this.#answered(status);
    const head: UpstreamHead = { status, headers: endToEnd(headers) };
    let body: boolean;
    try {
      if (this.#wantsRetry(head)) return;
      this.relay = relayChain(this.x.site.relays, this.x, head);
      this.#left = contentLength(headers);
      body = commit(this.x, head, this.relay === undefined || this.relay.observes === true ? this.#left : -1);
    } catch (error) {
      return this.stop("plugin", toPluginError(error));
    }
    if (body) return;
    // Without a body the client has everything. undici then takes a 304's Content-Length for a promise and fails.
    this.delivered = true;
    this.#settle(this.#whole());
  }

  data(chunk: Uint8Array): boolean {
    if (this.state === "done") return true;
    this.since = this.x.generation.proxy.active.now;
    const { relay } = this;
    if (relay !== undefined) {
      if (relay.observes !== true) return this.#relayed(relay, chunk);
      if (!this.#shown(relay, chunk)) return true;
    }
    if (this.#left >= 0) {
      this.#left -= chunk.length;
      if (this.#left === 0) {
        this.delivered = true;
        endResponse(this.x, chunk);
        return true;
      }
    }
    return writeChunk(this.x, chunk);
  }

  end(trailers?: Headers): void {
    if (this.state === "done") return;
    if (!this.delivered && isResetting()) return this.error(new Error("reset"));
    if (!this.delivered) {
      let rest: Uint8Array | null;
      try {
        rest = this.relay?.end?.() ?? null;
      } catch (error) {
        return this.#failed("plugin", toPluginError(error));
      }
      if (this.relay?.observes === true) rest = null;
      this.delivered = true;
      endResponse(this.x, rest, trailers);
    }
    this.#settle(this.#whole());
  }

  error(error: Error): void {
    if (this.state === "done") return;
    if (this.delivered) return this.#settle(this.#whole());
    if (this.state === "connecting") {
      const fault = connectFault(error, this.target.id);
      // What cannot be written at all cannot be written to another target either.
      return this.#failed(fault.source === "upstream" ? "connect" : "local", fault);
    }
    const fault = isProxyError(error) ? error : responseFault(error, this.target.id, this.state === "streaming");
    if (fault.source === "client")
      return this.#failed(fault.code === "client_closed" ? "client-abort" : "local", fault);
    if (this.state === "waiting") return this.#failed(toKind(fault), fault);
    this.#failed("stream-error", fault);
  }

  upgrade(status: number, headers: Headers, socket: Duplex): void {
    const { x } = this;
    if (this.state === "done") return void socket.destroy();
    const tunnel = x.tunnel;
    const agreed = String(headers["upgrade"] ?? "").toLowerCase() === x.upgradeTo;
    if (tunnel === undefined || !agreed) {
      socket.destroy();
      const text = "The upstream switched to a protocol that was not asked for.";
      return this.#failed("reset", new ProxyError("upstream_protocol", text, { target: this.target.id }));
    }
    this.#answered(status);
    openTunnel(x, socket, headers, (error) => {
      if (error !== undefined) x.error = error;
      this.#settle(error === undefined ? "ok" : "stream-error", error);
    });
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.since = this.x.generation.proxy.active.now;
    this.#call?.resume();
  }

  /** The exchange is over before the upstream is. */
  abandon(kind: OutcomeKind): void {
    if (this.state === "done") return;
    this.#settle(this.delivered ? this.#whole() : kind, this.delivered ? undefined : this.x.error);
    this.#call?.abort(new Error("The client is gone."));
  }

  /** Ends the attempt from this side. */
  stop(kind: OutcomeKind, error: ProxyError, retry = true): void {
    if (this.state === "done") return;
    const call = this.#call;
    this.#failed(kind, error, retry);
    call?.abort(error);
  }

  /** Ends the attempt through no fault of its target; what the client has not seen may be tried again. */
  yield(error: ProxyError): void {
    if (this.state === "done" || this.delivered) return;
    const { x } = this;
    const call = this.#call;
    const { committed } = x;
    this.#settle("local", error);
    if (committed) {
      x.kind = "stream-error";
      cut(x, error, this.#framing());
    } else this.#onFailure(x, "abandoned", error);
    call?.abort(error);
  }

  #answered(status: number): void {
    this.state = "streaming";
    this.since = performance.now();
    this.#status = status;
    this.#ttfb = this.since - this.#startedAt;
    this.x.ttfb = this.since - this.x.startedAt;
    countHead(this.target.live, status, this.#ttfb);
  }

  #inform(status: number, headers: Headers): void {
    this.#informational += 1;
    if (this.#informational <= informationalLimit) return sendInformational(this.x, status, headers);
    const error = new ProxyError("upstream_protocol", "The upstream sent too many informational responses.", {
      target: this.target.id,
    });
    this.stop("reset", error);
  }

  /** A plugin, or the route's list of statuses, may want another target to answer instead. */
  #wantsRetry(head: UpstreamHead): boolean {
    const { x } = this;
    const asked = x.site.phases.upstreamResponse?.(x, head) === "retry";
    if (!asked && !routeOf(x).retry.statuses.has(head.status)) return false;
    if (!mayRetry(x, "status", asked)) return false;
    const error = new ProxyError("upstream_reset", "The upstream could not answer.", { target: this.target.id });
    const call = this.#call;
    this.#settle("status", error);
    call?.abort(error);
    this.#onFailure(x, "status", error, asked);
    return true;
  }

  #relayed(relay: Relay, chunk: Uint8Array): boolean {
    let out: Uint8Array | null;
    try {
      out = relay.data(chunk);
      if (out !== null && !(out instanceof Uint8Array))
        throw new TypeError(`a relay returned ${typeof out} for a chunk`);
    } catch (error) {
      this.stop("plugin", toPluginError(error, ownerOf(relay)));
      return true;
    }
    return out === null || out.length === 0 ? true : writeChunk(this.x, out);
  }

  /** False: it threw, and the attempt is over. */
  #shown(relay: Relay, chunk: Uint8Array): boolean {
    try {
      relay.data(chunk);
      return true;
    } catch (error) {
      this.stop("plugin", toPluginError(error, ownerOf(relay)));
      return false;
    }
  }

  #whole(): OutcomeKind {
    return this.#status >= 500 ? "status" : "ok";
  }

  #failed(kind: OutcomeKind, error: ProxyError, retry = true): void {
    const { x } = this;
    const { committed } = x;
    this.#settle(kind, error);
    if (committed) return cut(x, error, this.#framing());
    if (retry && (kind === "connect" || kind === "reset" || kind === "timeout")) return this.#onFailure(x, kind, error);
    fail(x, error);
  }

  /** The relay that may write a last frame. */
  #framing(): Relay | undefined {
    return this.relay?.observes === true ? undefined : this.relay;
  }

  /** Exactly once per attempt, told the outcome. */
  #settle(kind: OutcomeKind, error?: ProxyError): void {
    if (this.state === "done") return;
    const { x, target } = this;
    const sent = this.state !== "connecting";
    this.state = "done";
    countEnd(x, target.live, kind, error);
    x.kind = kind;
    x.status = this.#status;
    if (x.site.phases.attemptEnd === null && this.#selector.attemptEnd === undefined) return;
    const duration = performance.now() - this.#startedAt;
    const outcome = {
      kind,
      status: this.#status,
      sent,
      ttfb: this.#ttfb,
      duration,
      bytesIn: x.bytesIn,
      bytesOut: x.bytesOut,
      error,
    };
    tellEnd(x, target, outcome, { selector: this.#selector, name: routeOf(x).selectorName });
  }
}

/** Before the head. What never reached the upstream, though its connection stood, is as safe to repeat as a failed connect. */
function toKind(fault: ProxyError): OutcomeKind {
  if (fault.source !== "upstream") return "plugin";
  return fault.phase === "connect" ? "connect" : "reset";
}

function toPluginError(error: unknown, plugin?: string): ProxyError {
  return isProxyError(error)
    ? error
    : new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase: "relay", cause: error });
}
