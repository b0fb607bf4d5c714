import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { TLSSocket } from "node:tls";

export interface SessionEvents {
  /** The peer has said what it allows: requests may be sent. */
  ready(session: Http2Session): void;
  /** One more request may be sent. */
  room(session: Http2Session): void;
  /** It takes no more requests; those under way may go on. `error`: why it never was ready. */
  gone(session: Http2Session, error: Error | undefined): void;
  closed(session: Http2Session): void;
}

/** Requests on one connection at most, also where a peer allows more: what breaks the connection breaks all of them. */
const mostStreams = 100;

/** Milliseconds within which a peer answers a PING. */
const pingLimit = 5_000;

/**
 * One HTTP/2 connection. Not undici's: that one sends one POST at a time, takes a reset for the end of a body, drops what a
 * paused stream has not read when trailers come, and fails all requests at a GOAWAY that lets them end.
 */
export class Http2Session {
  readonly #session: ClientHttp2Session;
  readonly #socket: TLSSocket;
  readonly #events: SessionEvents;
  readonly #idle: NodeJS.Timeout;
  readonly #onStreamClose: () => void;
  #limit = 0;
  #streams = 0;
  #ready = false;
  #gone = false;
  #ending = false;
  #pinging = false;
  #error: Error | undefined;

  constructor(origin: string, socket: TLSSocket, { keepAlive, events }: { keepAlive: number; events: SessionEvents }) {
    this.#events = events;
    this.#onStreamClose = () => this.#left();
    this.#session = connect(origin, {
      createConnection: () => socket,
      // What a client that does not read may hold up per stream; the connection is never held up.
      settings: { enablePush: false, initialWindowSize: 131_072, maxHeaderListSize: 65_536 },
      maxHeaderListPairs: 1_000,
      maxSessionMemory: 64,
    });
    this.#socket = socket;
    // A session does not hear that the TLS below it broke.
    socket.on("error", (error) => this.#break(error));
    this.#idle = setTimeout(() => this.#ready && this.#streams === 0 && this.end(), keepAlive).unref();
    this.#session
      .once("connect", () => this.#session.setLocalWindowSize(1_048_576))
      .on("remoteSettings", ({ maxConcurrentStreams = mostStreams }) => this.#allowed(maxConcurrentStreams))
      .once("goaway", () => this.#leave())
      .on("error", (error: Error) => (this.#error = error))
      .once("close", () => this.#closed());
  }

  get limit(): number {
    return this.#limit;
  }

  get hasRoom(): boolean {
    return this.#streams < this.#limit && !this.#gone && !this.#session.closed;
  }

  /** Throws for headers that cannot be sent, and when the connection is about to end. */
  request(headers: OutgoingHttpHeaders, options: ClientSessionRequestOptions): ClientHttp2Stream {
    const stream = this.#session.request(headers, options);
    this.#streams += 1;
    return stream.once("close", this.#onStreamClose);
  }

  /** For an answer that did not come: a peer that has vanished does not say so, and all later requests would wait, too. */
  check(): void {
    if (this.#pinging || this.#session.destroyed) return;
    this.#pinging = true;
    const silent = (): void => this.#break(new Error("no answer to a PING"));
    const timer = setTimeout(silent, pingLimit).unref();
    this.#session.ping(() => {
      clearTimeout(timer);
      this.#pinging = false;
    });
  }

  /** Lets what is under way end. */
  end(): void {
    this.#ending = true;
    this.#leave();
    // Not close(), which waits for the peer to close, too.
    if (this.#streams === 0) this.#session.destroy();
  }

  destroy(): Promise<void> {
    if (this.#session.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#session.once("close", resolve);
      this.#break(new Error("The proxy is closed."));
    });
  }

  /** A session alone waits until its last words are written, which may be never. */
  #break(error: Error): void {
    this.#session.destroy(error);
    this.#socket.destroy();
  }

  #allowed(streams: number): void {
    this.#limit = Math.min(streams, mostStreams);
    if (!this.#ready) {
      this.#ready = true;
      this.#idle.refresh();
      this.#events.ready(this);
    } else if (this.hasRoom) {
      this.#events.room(this);
    }
  }

  #left(): void {
    this.#streams -= 1;
    if (this.#streams > 0) {
      if (this.hasRoom) this.#events.room(this);
    } else if (this.#ending) {
      this.#session.destroy();
    } else {
      this.#idle.refresh();
      if (this.hasRoom) this.#events.room(this);
    }
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#idle);
    this.#ending = true;
    const never = this.#error ?? new Error("The upstream closed the HTTP/2 connection before it was ready.");
    this.#events.gone(this, this.#ready ? undefined : never);
  }

  #closed(): void {
    this.#leave();
    this.#events.closed(this);
  }
}
