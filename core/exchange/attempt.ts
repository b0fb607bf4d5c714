import type { Duplex } from "node:stream";
import type { Exchange, OutcomeKind, UpstreamHead, UpstreamRequest } from "../contract/exchange.ts";
import type { Relay, Selector, TransportCall, TransportSink } from "../contract/services.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { gateFor } from "../generation/gates.ts";
import { ownerOf, relayChain } from "../generation/relay-chain.ts";
import { routeOf } from "../generation/routes.ts";
import { isResetting } from "../targets/connections.ts";
import type { PoolTarget } from "../targets/target.ts";
import { sendInformational } from "../wire/informational.ts";
import { contentLength, endToEnd, type Headers } from "../wire/response-headers.ts";
import { openTunnel } from "../wire/tunnel.ts";
import { connectFault, responseFault } from "../wire/upstream-fault.ts";
import { countEnd, countHead, tellEnd } from "./attempt-count.ts";
import { hasBody, misfit, repeatable, toKind, toPluginError } from "./attempt-faults.ts";
import { fitsEarly } from "./early.ts";
import type { ActiveExchange } from "./exchange.ts";
import { HeldAnswer } from "./held.ts";
import { endRival, lead } from "./rivals.ts";
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
  /** The request as this attempt sends it. */
  readonly upstream: UpstreamRequest;
  state: State = "connecting";
  relay: Relay | undefined = undefined;
  /** The client does not keep up: the upstream is held. */
  paused = false;
  /** An answer that the client has yet to see. */
  held: HeldAnswer | undefined = undefined;
  /** The client has the whole body; what the upstream still does changes nothing. */
  delivered = false;
  /** The exchange as its transport and selector see it. */
  readonly #face: Exchange;
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

  /** `face`: of an attempt beside the current one, which has a target and a request of its own. */
  constructor(x: ActiveExchange, target: PoolTarget, onFailure: OnFailure, face?: Exchange) {
    this.x = x;
    this.target = target;
    this.#face = face ?? x;
    this.upstream = this.#face.upstream;
    this.#onFailure = onFailure;
    this.#selector = routeOf(x).selector;
    if (face === undefined) x.current = this;
    x.started = x.attempt;
    x.generation.proxy.ledger.started(target.live);
  }

  send(): void {
    const { x, target } = this;
    try {
      this.#selector.attemptStart?.(target, this.#face);
    } catch (cause) {
      this.#settle("plugin");
      const plugin = routeOf(x).selectorName;
      return fail(
        x,
        new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase: "select", cause }),
      );
    }
    try {
      this.#call = x.generation.transport(target).send(target, this.#face, this);
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
    const { x } = this;
    if (x.rival !== undefined) lead(x, this);
    const head: UpstreamHead = { status, headers: endToEnd(headers) };
    const length = contentLength(headers);
    try {
      if (this.#wantsRetry(head)) return;
      if (x.early !== undefined && !fitsEarly(x, head)) return this.stop("status", misfit(status, this.target.id));
      if (x.site.gates.length > 0 && hasBody(x, status, length)) {
        const gate = gateFor(x.site.gates, x, head);
        if (gate !== undefined) return void (this.held = new HeldAnswer(gate, head, length));
      }
      this.#commit(head, length);
    } catch (error) {
      this.stop("plugin", toPluginError(error));
    }
  }

  #commit(head: UpstreamHead, length: number): void {
    const { x } = this;
    if (x.rival !== undefined) endRival(x);
    this.relay = relayChain(x.site.relays, x, head);
    this.#left = length;
    if (commit(x, head, this.relay === undefined || this.relay.observes === true ? length : -1)) return;
    // Without a body the client has everything. undici then takes a 304's Content-Length for a promise and fails.
    this.delivered = true;
    this.#settle(this.#whole());
  }

  data(chunk: Uint8Array): boolean {
    if (this.state === "done") return true;
    this.since = this.x.generation.proxy.active.now;
    if (this.held !== undefined) return this.#hold(this.held, chunk);
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
    const { held } = this;
    if (held !== undefined) {
      if (!this.#passes(() => held.end())) return;
      this.#release(held);
      if (this.#isDone()) return;
    }
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

  /** It has no good answer yet. */
  get open(): boolean {
    return this.state === "connecting" || this.state === "waiting" || this.held !== undefined;
  }

  /** Another attempt has the answer. */
  lose(): void {
    if (this.state === "done") return;
    this.#settle("local");
    this.#call?.abort(new Error("Another attempt has the answer."));
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

  #hold(held: HeldAnswer, chunk: Uint8Array): boolean {
    return this.#passes(() => held.take(chunk)) ? this.#release(held) : true;
  }

  /** False: the answer is held on, or it is bad and so no answer. */
  #passes(judge: () => "hold" | "pass" | ProxyError): boolean {
    try {
      const verdict = judge();
      if (verdict === "pass") return true;
      if (verdict !== "hold") this.stop("stream-error", verdict);
    } catch (error) {
      this.stop("plugin", toPluginError(error));
    }
    return false;
  }

  /** The answer is good. */
  #release(held: HeldAnswer): boolean {
    this.held = undefined;
    try {
      this.#commit(held.head, held.length);
    } catch (error) {
      this.stop("plugin", toPluginError(error));
    }
    let more = true;
    for (const chunk of held.chunks) more = this.data(chunk);
    return more;
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
    const { route } = x;
    const asked = x.site.phases.upstreamResponse?.(x, head) === "retry";
    const poor = x.rival !== undefined && (head.status >= 500 || head.status === 429);
    const wanted = asked || poor || routeOf(x).retry.statuses.has(head.status);
    const next = x.route;
    const may = wanted && mayRetry(x, "status", asked);
    // This answer is of the route that it was asked for by, whatever a plugin wants next.
    x.route = route;
    if (!may) return false;
    const error = new ProxyError("upstream_reset", "The upstream could not answer.", { target: this.target.id });
    const call = this.#call;
    this.#settle("status", error);
    call?.abort(error);
    x.route = next;
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
      this.#stopFor(relay, error);
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
      this.#stopFor(relay, error);
      return false;
    }
  }

  /** A relay may say that what it sees is the fault of the upstream. */
  #stopFor(relay: Relay, thrown: unknown): void {
    const error = toPluginError(thrown, ownerOf(relay));
    this.stop(error.source === "upstream" ? "stream-error" : "plugin", error);
  }

  /** A call in between may have ended it. */
  #isDone(): boolean {
    return this.state === "done";
  }

  #whole(): OutcomeKind {
    return this.#status >= 500 ? "status" : "ok";
  }

  #failed(kind: OutcomeKind, error: ProxyError, retry = true): void {
    const { x } = this;
    const { committed } = x;
    const { held } = this;
    this.#settle(kind, error);
    if (committed) return cut(x, error, this.#framing());
    // Whoever set up a gate wants another answer, however this one went wrong.
    if (retry && held !== undefined && repeatable.has(kind)) return this.#onFailure(x, "status", error, true);
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
    this.held = undefined;
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
