import { consola, type ConsolaInstance } from "consola";
import type { Limits, ProxyConfig } from "./contract/proxy.ts";
import type { Status } from "./contract/setup.ts";
import { ActiveList } from "./exchange/active-list.ts";
import { checkDeadlines } from "./exchange/deadlines.ts";
import { Ledger } from "./targets/ledger.ts";
import { connectionsFor, descriptorLimit } from "./wire/descriptors.ts";

const MiB = 1024 * 1024;

/** Exchanges that pay for one retry. */
const price = 5;
/** Retries that can be saved up, however little is under way. */
const leastReserve = 100;

const defaults: Required<Limits> = {
  body: 100 * MiB,
  inspect: 8 * MiB,
  inspectTotal: 256 * MiB,
  headers: 32 * 1024,
  headerCount: 200,
  url: 16 * 1024,
  connections: 0,
  drain: 300_000,
  drainDelay: 0,
  drainIdle: 0,
  generations: 8,
  writeStall: 60_000,
  bodyIdle: 30_000,
};

/** What the generations of one proxy share. */
export class ProxyState {
  readonly ledger: Ledger = new Ledger();
  readonly active: ActiveList = new ActiveList(checkDeadlines);
  readonly log: ConsolaInstance;
  readonly startedAt: number = Date.now();
  limits: Required<Limits> = defaults;
  draining = false;
  closed = false;
  /** Exchanges whose retry is paid out of the budget. */
  retrying = 0;
  /** Bytes of request bodies in memory. */
  held = 0;
  reloadError: string | undefined;
  /** What plugins draw their chance from. */
  random: () => number = Math.random;
  readonly #kept: Map<string, unknown> = new Map();
  /** Exchanges that needed no retry, and pay for those of others. */
  #saved = 0;
  readonly #baseLimits: Limits;

  constructor(baseLimits: Limits = {}, log: ConsolaInstance = consola) {
    this.#baseLimits = baseLimits;
    this.log = log;
  }

  /** What a plugin keeps over reloads. */
  readonly keep = <T>(key: string, create: () => T): T => keepIn(this.#kept, key, create);

  /** A `keep` of copies: what is only tried out leaves no trace. */
  copies(): ProxyState["keep"] {
    const copies = new Map<string, unknown>();
    return (key, create) => keepIn(copies, key, () => copyOf(this.#kept.get(key), create));
  }

  configure(config: ProxyConfig): void {
    const connections = connectionsFor(descriptorLimit());
    this.limits = { ...defaults, connections, ...this.#baseLimits, ...config.limits };
  }

  /**
   * The retry budget, so that retries cannot become the load: as many at once as a fifth of what is under way, at least three
   * (Envoy's), and beyond that a reserve which grows by a fifth of what went well without (Finagle's): all that a dying
   * upstream had under way may be repeated at once, and over time still no more than a fifth is added.
   */
  mayRetry(): boolean {
    return this.#hasRoomForRetry() || this.#saved >= price;
  }

  /** An exchange is retried for the first time. */
  countRetry(): void {
    if (!this.#hasRoomForRetry()) this.#saved -= price;
    this.retrying += 1;
  }

  /** Whether so many more bytes of bodies may be in memory. */
  canHold(bytes: number): boolean {
    return this.limits.inspectTotal === 0 || this.held + bytes <= this.limits.inspectTotal;
  }

  /** An exchange is over; `well`: an upstream answered. */
  countEnd(retried: boolean, well: boolean): void {
    if (retried) this.retrying -= 1;
    else if (well && this.#saved < Math.max(leastReserve, this.active.size) * price) this.#saved += 1;
  }

  #hasRoomForRetry(): boolean {
    return this.retrying < Math.max(3, this.active.size / price);
  }
}

function keepIn<T>(kept: Map<string, unknown>, key: string, create: () => T): T {
  if (!kept.has(key)) kept.set(key, create());
  return kept.get(key) as T;
}

/** A new one where there is none, or one that holds functions and so cannot be copied. */
function copyOf<T>(value: unknown, create: () => T): T {
  try {
    return value === undefined ? create() : (structuredClone(value) as T);
  } catch {
    return create(); // what a plugin keeps there is no data
  }
}

/** What a config that is only looked at hears of the proxy. */
export function idleStatus(): Status {
  return {
    generation: 0,
    active: 0,
    draining: false,
    startedAt: Date.now(),
    plugins: [],
    listeners: [],
    connections: { open: 0, most: undefined, dropped: 0 },
    reloadError: undefined,
    stale: [],
  };
}
