import { buildConnector, Pool } from "undici";
import type { AddressRules } from "../wire/address-rules.ts";

let resetting = false;

/**
 * True while a connection that was reset tells so. undici takes a reset for the end of a body that only the close delimits;
 * what it reports from within the event is known by this.
 */
export function isResetting(): boolean {
  return resetting;
}

function onSocketError(): void {
  resetting = true;
  process.nextTick(settled);
}

function settled(): void {
  resetting = false;
}

function createConnect(rules: AddressRules | undefined): buildConnector.connector {
  const options = { timeout: 30_000, allowH2: false, ...(rules !== undefined && { lookup: rules.lookup }) };
  const connector = buildConnector(options);
  return (to, callback) =>
    connector(to, (...outcome) => {
      outcome[1]?.on("error", onSocketError);
      callback(...outcome);
    });
}

const connect = createConnect(undefined);
const ruled: WeakMap<AddressRules, buildConnector.connector> = new WeakMap();

/** One for all connections that are held to the same rules. */
function connectWithin(rules: AddressRules): buildConnector.connector {
  let found = ruled.get(rules);
  if (found === undefined) ruled.set(rules, (found = createConnect(rules)));
  return found;
}

export interface ConnectionOptions {
  /** Milliseconds. */
  readonly keepAlive: number;
  readonly maxConnections: number;
  /** Where the host may be; undefined: anywhere. */
  readonly rules?: AddressRules | undefined;
}

/** The connections to one origin with one set of options, shared by every target and generation that asks for the same. */
export class Connection {
  readonly key: string;
  readonly #origin: string;
  readonly #onOpen: (connection: Connection) => void;
  readonly #options: Pool.Options;
  readonly rules: AddressRules | undefined;
  #pool: Pool | undefined;
  holders = 0;

  constructor(
    key: string,
    origin: string,
    { keepAlive, maxConnections, rules }: ConnectionOptions,
    onOpen: (connection: Connection) => void,
  ) {
    this.#onOpen = onOpen;
    this.key = key;
    this.rules = rules;
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
      connect: rules === undefined ? connect : connectWithin(rules),
    };
  }

  get pool(): Pool {
    if (this.#pool === undefined) {
      this.#pool = new Pool(this.#origin, this.#options);
      this.#onOpen(this);
    }
    return this.#pool;
  }

  /** Lets what is under way end. */
  retire(): void {
    this.#pool?.close().catch(() => {}); // Already destroyed: nothing is left to end.
    this.#pool = undefined;
  }

  async destroy(): Promise<void> {
    await this.#pool?.destroy();
  }
}

export class Connections {
  #all: Map<string, Connection> = new Map();
  /** Those with a pool; an exchange may open one after its target is gone, and that has to be closed too. */
  #open: Set<Connection> = new Set();

  hold(origin: string, options: ConnectionOptions): Connection {
    const { keepAlive, maxConnections, rules } = options;
    const key = `${origin} ${keepAlive} ${maxConnections} ${rules?.text ?? ""}`;
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
