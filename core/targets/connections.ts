import { buildConnector, Pool } from "undici";

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

const connector = buildConnector({ timeout: 30_000, allowH2: false });

function connect(options: buildConnector.Options, callback: buildConnector.Callback): void {
  connector(options, (...outcome) => {
    outcome[1]?.on("error", onSocketError);
    callback(...outcome);
  });
}

/** The connections to one origin with one set of options, shared by every target and generation that asks for the same. */
export class Connection {
  readonly key: string;
  readonly #origin: string;
  readonly #onOpen: (connection: Connection) => void;
  readonly #options: Pool.Options;
  #pool: Pool | undefined;
  holders = 0;

  constructor(
    key: string,
    origin: string,
    keepAlive: number,
    maxConnections: number,
    onOpen: (connection: Connection) => void,
  ) {
    this.#onOpen = onOpen;
    this.key = key;
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
      connect,
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

  hold(origin: string, keepAlive: number, maxConnections: number): Connection {
    const key = `${origin} ${keepAlive} ${maxConnections}`;
    let connection = this.#all.get(key);
    if (connection === undefined) {
      this.#all.set(
        key,
        (connection = new Connection(key, origin, keepAlive, maxConnections, (opened) => this.#open.add(opened))),
      );
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
