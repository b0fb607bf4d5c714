import type { Server } from "node:http";
import type { ConsolaInstance } from "consola";
import { areDescriptorsUsedUp, descriptorLimit, shortages } from "./descriptors.ts";

/** The connections of clients, over all ports of a proxy. */
export interface ConnectionCounts {
  readonly open: number;
  /** Open at once at most; undefined for no limit. */
  readonly most: number | undefined;
  /** Closed unserved because that many were open, since the start. */
  readonly dropped: number;
}

const look = 1_000;
/** Below this a proxy is easily out of them. */
const comfortable = 1_024;

/** Holds all servers of a proxy together to one number of connections, and tells once a second of what had no room. */
export class ConnectionLimit implements ConnectionCounts {
  open = 0;
  dropped = 0;
  most: number = Infinity;
  readonly #log: ConsolaInstance;
  /** Connections of each. */
  readonly #servers: Map<Server, number> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #warned = false;
  #toldDropped = 0;
  #toldShortages = 0;

  constructor(log: ConsolaInstance) {
    this.#log = log;
  }

  /** 0: no limit. */
  configure(connections: number): void {
    this.most = connections > 0 ? connections : Infinity;
    this.#share();
  }

  follow(server: Server): void {
    if (this.#timer === undefined) this.#start();
    this.#servers.set(server, 0);
    server.on("drop", () => (this.dropped += 1));
    this.#share();
  }

  forget(server: Server): void {
    this.#servers.delete(server);
    this.#share();
    if (this.#servers.size === 0) this.#stop();
  }

  opened(server: Server): void {
    this.#count(server, 1);
  }

  closed(server: Server): void {
    this.#count(server, -1);
  }

  #count(server: Server, change: number): void {
    this.open += change;
    const own = this.#servers.get(server);
    if (own !== undefined) this.#servers.set(server, own + change);
    if (this.most !== Infinity) this.#share();
  }

  /** Node drops a connection before it costs anything, but knows those of one server only: each has what is left. */
  #share(): void {
    const left = this.most - this.open;
    for (const [server, own] of this.#servers) {
      // Node 20 takes 0 for no limit.
      server.maxConnections = own + left > 0 ? own + left : -1;
    }
  }

  #start(): void {
    this.#toldShortages = shortages.count;
    if (!this.#warned) this.#warn();
    this.#timer = setInterval(() => this.#tell(), look).unref();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #warn(): void {
    this.#warned = true;
    const limit = descriptorLimit();
    if (limit >= comfortable) return;
    this.#log.warn(
      `this process may have ${limit} file descriptors, and each request takes two; ` +
        `raise \`ulimit -n\` to ${comfortable} or more`,
    );
  }

  /** What happened since the last look. */
  #tell(): void {
    const dropped = this.dropped - this.#toldDropped;
    const failed = shortages.count - this.#toldShortages;
    this.#toldDropped = this.dropped;
    this.#toldShortages = shortages.count;
    if (dropped > 0)
      this.#log.warn(
        `${dropped} connections were closed unserved: ${this.open} of ${this.most} are open; ` +
          "raise limits.connections, and `ulimit -n` to twice that and more",
      );
    if (failed > 0)
      this.#log.warn(
        `${failed} connections to upstreams could not be opened (${shortages.last}): ${remedy(shortages.last)}`,
      );
    if (areDescriptorsUsedUp())
      this.#log.warn(
        `all ${descriptorLimit()} file descriptors are in use: the system closes new connections unseen; ` +
          remedy("EMFILE"),
      );
  }
}

function remedy(code: string): string {
  if (code === "EADDRNOTAVAIL")
    return "no local port is free; give upstreams a longer keepAlive, or widen ip_local_port_range";
  if (code === "EMFILE" || code === "ENFILE") return "raise `ulimit -n`, or lower limits.connections";
  return "the system is short of memory for sockets";
}
