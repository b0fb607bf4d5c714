import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type buildConnector, Pool } from "undici";
import type { AddressRules } from "../wire/address-rules.ts";
import { type Dialer, dialerFor } from "./dialer.ts";
import { Http2Sessions } from "./http2-sessions.ts";
import type { UpstreamTls } from "./tls.ts";

let resetting = false;

/**
 * True while a connection that was reset tells so. undici takes a reset for the end of a body that only the close delimits;
 * what it reports from within the event is known by this.
 */
export function isResetting(): boolean {
  return resetting;
}

function onSocketError(this: Socket, error: NodeJS.ErrnoException): void {
  resetting = true;
  process.nextTick(settled);
  // Node leaves a socket open whose TLS broke, and undici then tells only that the other side has closed it.
  if (!this.destroyed && error.code?.startsWith("ERR_SSL") === true) this.destroy(error);
}

function settled(): void {
  resetting = false;
}

/** As long as core waits for any connection; each route has its own, exact deadline. */
const connectLimit = 30_000;

const connectors: WeakMap<Dialer, buildConnector.connector> = new WeakMap();

/** What undici is told that wants a connection nobody waits for. */
const unwanted = new Error("no request waits for a connection");

/** One for all connections that connect alike. */
function connectorFor(dialer: Dialer): buildConnector.connector {
  let found = connectors.get(dialer);
  if (found === undefined) {
    const connector = dialer.connector(connectLimit);
    found = (to, callback) =>
      connector(to, (...outcome) => {
        outcome[1]?.on("error", onSocketError);
        callback(...outcome);
      });
    connectors.set(dialer, found);
  }
  return found;
}

export interface ConnectionOptions {
  /** Milliseconds. */
  readonly keepAlive: number;
  readonly maxConnections: number;
  /** Where the host may be; undefined: anywhere. */
  readonly rules?: AddressRules | undefined;
  readonly tls?: UpstreamTls | undefined;
  /** Offers HTTP/2. */
  readonly http2?: boolean | undefined;
}

/** The connections to one origin with one set of options, shared by every target and generation that asks for the same. */
export class Connection {
  readonly key: string;
  readonly dialer: Dialer;
  /** As in a Host header. */
  readonly authority: string;
  /** Whose certificate is asked for; undefined for plain HTTP. */
  readonly servername: string | undefined;
  readonly http2: boolean;
  readonly #origin: string;
  readonly #onOpen: (connection: Connection) => void;
  readonly #options: Pool.Options;
  #pool: Pool | undefined;
  #sessions: Http2Sessions | undefined;
  /** Spoke HTTP/1.1 when it was offered HTTP/2; the pool's next connection. */
  #ready: TLSSocket | undefined;
  holders = 0;
  /** Requests that undici has and has not begun. */
  waiting = 0;

  constructor(key: string, origin: string, options: ConnectionOptions, onOpen: (connection: Connection) => void) {
    const { keepAlive, maxConnections, rules, tls, http2 = false } = options;
    const url = new URL(origin);
    this.#onOpen = onOpen;
    this.key = key;
    this.dialer = dialerFor(rules, tls);
    this.authority = url.host;
    this.servername = url.protocol === "https:" ? (tls?.servername ?? url.hostname) : undefined;
    this.http2 = http2;
    this.#origin = origin;
    this.#options = {
      connections: maxConnections,
      pipelining: 1,
      keepAliveTimeout: keepAlive,
      keepAliveMaxTimeout: 60_000,
      // The parser's own keep-alive margin: an upstream's `Keep-Alive: timeout=5` is left 2 s early.
      keepAliveTimeoutThreshold: 2_000,
      maxHeaderSize: 65_536,
      // Deadlines are core's, exact and per route; undici's tick every 500 ms.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: this.#connect,
    };
  }

  get pool(): Pool {
    if (this.#pool === undefined) {
      this.#pool = new Pool(this.#origin, this.#options);
      this.#onOpen(this);
    }
    return this.#pool;
  }

  /** Of a target with `http2`. */
  get sessions(): Http2Sessions {
    if (this.#sessions === undefined) {
      const { keepAliveTimeout: keepAlive = 4_000, connections } = this.#options;
      const onPlain = (socket: TLSSocket): void => this.#keepReady(socket);
      const maxConnections = connections ?? Infinity;
      this.#sessions = new Http2Sessions({
        origin: this.#origin,
        dialer: this.dialer,
        keepAlive,
        maxConnections,
        onPlain,
      });
      this.#onOpen(this);
    }
    return this.#sessions;
  }

  /** Lets what is under way end. */
  retire(): void {
    this.#ready?.destroy();
    this.#sessions?.retire();
    this.#sessions = undefined;
    this.#pool?.close().catch(() => {}); // Already destroyed: nothing is left to end.
    this.#pool = undefined;
  }

  async destroy(): Promise<void> {
    this.#ready?.destroy();
    await Promise.all([this.#sessions?.destroy(), this.#pool?.destroy()]);
  }

  readonly #connect: buildConnector.connector = (to, callback) => {
    // undici connects again when a request is aborted that it had begun, and has nothing to send then.
    if (this.waiting === 0) return process.nextTick(callback, unwanted, null);
    const ready = this.#ready;
    this.#ready = undefined;
    if (ready === undefined || ready.destroyed) connectorFor(this.dialer)(to, callback);
    else process.nextTick(callback, null, ready); // undici does not expect it at once.
  };

  #keepReady(socket: TLSSocket): void {
    this.#ready?.destroy();
    this.#ready = socket;
    socket.on("error", onSocketError);
  }
}

export class Connections {
  #all: Map<string, Connection> = new Map();
  /** Those with a pool; an exchange may open one after its target is gone, and that has to be closed too. */
  #open: Set<Connection> = new Set();

  hold(origin: string, options: ConnectionOptions): Connection {
    const { keepAlive, maxConnections, rules, tls, http2 = false } = options;
    const key = `${origin} ${keepAlive} ${maxConnections} ${http2} ${dialerFor(rules, tls).text}`;
    let connection = this.#all.get(key);
    if (connection === undefined) {
      connection = new Connection(key, origin, options, (opened) => this.#open.add(opened));
      this.#all.set(key, connection);
    }
    connection.holders += 1;
    return connection;
  }

  release(connection: Connection): void {
    connection.holders -= 1;
    if (connection.holders > 0) return;
    this.#all.delete(connection.key);
    this.#open.delete(connection);
    connection.retire();
  }

  async close(): Promise<void> {
    const open = [...this.#open];
    this.#all.clear();
    this.#open.clear();
    await Promise.all(open.map((connection) => connection.destroy()));
  }
}
