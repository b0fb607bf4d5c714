import type { TLSSocket } from "node:tls";
import type { Dialer } from "./dialer.ts";
import { Http2Session, type SessionEvents } from "./http2-session.ts";

/** A request that wants a connection. Called once, at once or later. */
export interface SessionTaker {
  opened(session: Http2Session): void;
  /** The target speaks HTTP/1.1. */
  plain(): void;
  failed(error: Error): void;
}

export interface SessionsOptions {
  readonly origin: string;
  readonly dialer: Dialer;
  /** Milliseconds. */
  readonly keepAlive: number;
  readonly maxConnections: number;
  /** Given a new connection to a target that turned out to speak HTTP/1.1. */
  readonly onPlain: (socket: TLSSocket) => void;
}

/** Milliseconds for which a target that spoke HTTP/1.1 is not offered HTTP/2. */
const plainFor = 60_000;

/** Milliseconds that a connection may take, until the peer has said what it allows. */
const dialLimit = 30_000;

/** The HTTP/2 connections to one origin; a new one is opened when those that stand have no room. */
export class Http2Sessions {
  readonly #options: SessionsOptions;
  readonly #to: { readonly host: string; readonly port: number };
  readonly #events: SessionEvents;
  readonly #sessions: Http2Session[] = [];
  /** In the order they came. */
  readonly #waiting: Set<SessionTaker> = new Set();
  /** What ends each connection that is not ready yet. */
  readonly #dialing: Map<TLSSocket, NodeJS.Timeout> = new Map();
  readonly #unready: Map<Http2Session, TLSSocket> = new Map();
  /** Those that are not closed yet, whether they take requests or not. */
  readonly #open: Set<Http2Session> = new Set();
  /** What a connection is thought to have room for. */
  #room = 100;
  #plainUntil = 0;
  #retired = false;
  #destroyed = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { hostname, port } = new URL(options.origin);
    this.#to = { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: port === "" ? 443 : Number(port) };
    this.#events = {
      ready: (session) => this.#ready(session),
      room: () => this.#serve(),
      gone: (session, error) => this.#gone(session, error),
      closed: (session) => this.#open.delete(session),
    };
  }

  take(taker: SessionTaker): void {
    if (this.#destroyed) return taker.failed(closed());
    if (this.#plainUntil > 0 && performance.now() < this.#plainUntil) return taker.plain();
    const session = this.#sessions.find(({ hasRoom }) => hasRoom);
    if (session !== undefined && this.#waiting.size === 0) return taker.opened(session);
    this.#waiting.add(taker);
    this.#dial();
  }

  /** One that waits does so no longer. */
  leave(taker: SessionTaker): void {
    this.#waiting.delete(taker);
  }

  /** Lets what is under way or waits end. */
  retire(): void {
    this.#retired = true;
    // Each leaves the list.
    for (const session of this.#sessions.slice()) session.end();
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
    this.#fail(closed());
    for (const socket of this.#dialing.keys()) socket.destroy();
    await Promise.all([...this.#open].map((session) => session.destroy()));
  }

  #dial(): void {
    const { maxConnections } = this.#options;
    while (
      this.#waiting.size > this.#dialing.size * this.#room &&
      this.#sessions.length + this.#dialing.size < maxConnections
    )
      this.#dialOne();
  }

  #dialOne(): void {
    const socket = this.#options.dialer.offerHttp2(this.#to);
    const timeout = setTimeout(() => socket.destroy(new Error("no HTTP/2 within 30 s")), dialLimit).unref();
    this.#dialing.set(socket, timeout);
    const onError = (error: Error): void => this.#failed(socket, error);
    const onClose = (): void => this.#failed(socket, new Error("The upstream closed the connection."));
    socket.once("error", onError).once("close", onClose);
    socket.once("secureConnect", () => {
      socket.off("close", onClose);
      if (socket.alpnProtocol === "h2") this.#begin(socket);
      else this.#speaksPlain(socket);
      socket.off("error", onError);
    });
  }

  #begin(socket: TLSSocket): void {
    const { origin, keepAlive } = this.#options;
    const session = new Http2Session(origin, socket, { keepAlive, events: this.#events });
    this.#open.add(session);
    this.#unready.set(session, socket);
  }

  #dialed(socket: TLSSocket): void {
    clearTimeout(this.#dialing.get(socket));
    this.#dialing.delete(socket);
  }

  #speaksPlain(socket: TLSSocket): void {
    this.#dialed(socket);
    this.#plainUntil = performance.now() + plainFor;
    if (this.#waiting.size > 0) this.#options.onPlain(socket);
    else socket.destroy();
    for (const taker of this.#waiting) {
      this.#waiting.delete(taker);
      taker.plain();
    }
  }

  #failed(socket: TLSSocket, error: Error): void {
    if (!this.#dialing.has(socket)) return;
    this.#dialed(socket);
    // Those that wait may still get another connection, if one is on its way.
    if (this.#dialing.size === 0) this.#fail(error);
  }

  #fail(error: Error): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const taker of waiting) taker.failed(error);
  }

  #ready(session: Http2Session): void {
    const socket = this.#unready.get(session);
    this.#unready.delete(session);
    if (socket !== undefined) this.#dialed(socket);
    this.#room = Math.max(1, session.limit);
    this.#sessions.push(session);
    this.#serve();
  }

  #serve(): void {
    for (const taker of this.#waiting) {
      const session = this.#sessions.find(({ hasRoom }) => hasRoom);
      if (session === undefined) break;
      this.#waiting.delete(taker);
      taker.opened(session);
    }
    if (this.#waiting.size > 0) this.#dial();
    else if (this.#retired) this.retire();
  }

  #gone(session: Http2Session, error: Error | undefined): void {
    const socket = this.#unready.get(session);
    this.#unready.delete(session);
    const at = this.#sessions.indexOf(session);
    if (at !== -1) this.#sessions.splice(at, 1);
    if (socket !== undefined) this.#failed(socket, error ?? new Error("The upstream closed the connection."));
    else if (this.#waiting.size > 0) this.#dial();
  }
}

function closed(): Error {
  return new Error("The connections to the upstream are closed.");
}
