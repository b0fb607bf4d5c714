import type { Duplex } from "node:stream";
import type { ProxyError } from "../errors.ts";
import type { Exchange, Outcome, UpstreamHead } from "./exchange.ts";
import type { Pool, Snapshot, Target, TargetSpec } from "./target.ts";

export type Awaitable<T> = T | Promise<T>;

export interface Score {
  readonly id: string;
  readonly score: number;
  readonly note?: string;
}

/** Picks one target out of the candidates. */
export interface Selector {
  /**
   * `targets` are available and untried, never empty; the same frozen array for as long as the pool does not change
   * and nothing was tried, so that what is derived from it can be kept. Undefined: none will do.
   */
  pick(targets: readonly Target[], x: Exchange): Target | undefined;
  /** Called when the pool changed. */
  update?(snapshot: Snapshot): void;
  attemptStart?(target: Target, x: Exchange): void;
  attemptEnd?(target: Target, outcome: Outcome, x: Exchange): void;
  /**
   * How good each target is for this request, written at the target's index: finite, 0 or more, higher is better, in
   * a unit of its own in which twice as good is twice as much. Lets `score` weigh it against others. Changes nothing.
   */
  score?(targets: readonly Target[], x: Exchange, into: Float64Array): void;
  /** Why each target scored what it did; higher is better. Changes nothing. */
  explain?(targets: readonly Target[], x: Exchange): readonly Score[];
}

/** Makes a selector for each route that names it. */
export interface SelectorService {
  /** Shown by explain when a route was given the service itself. */
  readonly name?: string;
  /** `route`: the name of the route it is for. */
  create(pool: Pool, route: string): Selector;
}

export interface DiscoverySink {
  /** The whole truth: what is not in the list is gone. */
  replace(targets: readonly TargetSpec[]): void;
  upsert(target: TargetSpec): void;
  remove(id: string): void;
  /** Keeps the last known good and marks the source stale. */
  fail(error: unknown): void;
}

/** As much of a target as a config tells before anything is started. */
export type KnownTarget = Pick<TargetSpec, "id" | "models" | "labels" | "enabled"> & { readonly url?: string };

/** Pushes targets into a pool. */
export interface Discovery {
  /** @default "default" */
  readonly pool?: string;
  /** All it will ever push, where the config says it; what names none of these is a mistake in the config. */
  readonly known?: readonly KnownTarget[];
  /** Resolves when the first targets are known, or rejects and stops the start; goes on until `signal` aborts. */
  start(sink: DiscoverySink, signal: AbortSignal): Awaitable<void>;
}

/** Observes or changes bytes after commit. Without one the Buffer goes straight to the socket. */
export interface Relay {
  /** Milliseconds of upstream silence after which the stream is broken; overrides the route's. */
  readonly idle?: number;
  /** It only looks: what it returns counts for nothing, and the length that the upstream declared holds. @default false */
  readonly observes?: boolean;
  /** Null drops the chunk. Returning the same chunk costs nothing. */
  data(chunk: Uint8Array): Uint8Array | null;
  /** What still has to be written after the last chunk. */
  end?(): Uint8Array | null;
  /** A last protocol-level error frame before the connection is destroyed. */
  broken?(error: ProxyError): Uint8Array | null;
}

export interface RelayService {
  match(x: Exchange, head: UpstreamHead): boolean;
  create(x: Exchange, head: UpstreamHead): Relay;
}

/** Holds one answer back, head and body, until it is known to be good; until then another target may be asked. */
export interface Gate {
  /**
   * Milliseconds from the answer's head on that it may take to decide; then the answer counts as a timeout. It may change.
   * @default no limit
   */
  readonly timeout?: number;
  /** Bytes held at most; an answer of more is passed. @default 65536 */
  readonly limit?: number;
  /** An error condemns the answer: another target is asked if the route allows that, else the client is told of it. */
  data(chunk: Uint8Array): "hold" | "pass" | ProxyError;
  /** The answer is whole and nothing was decided. @default pass */
  end?(): "pass" | ProxyError;
}

/** The first that matches an answer has it. */
export interface GateService {
  match(x: Exchange, head: UpstreamHead): boolean;
  create(x: Exchange, head: UpstreamHead): Gate;
}

/** What a plugin holds against targets, for operators who know better. */
export interface Grudge {
  /** Forgets it, of one target or of all. Returns of how many. */
  forget(target?: string): number;
}

export interface TransportSink {
  /** The connection stands and the request is about to be written. */
  connected(): void;
  head(status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void;
  /** False asks for a pause. */
  data(chunk: Uint8Array): boolean;
  end(trailers?: Readonly<Record<string, string | string[] | undefined>>): void;
  error(error: Error): void;
  upgrade(status: number, headers: Readonly<Record<string, string | string[] | undefined>>, socket: Duplex): void;
}

export interface TransportCall {
  abort(reason: Error): void;
  resume(): void;
}

/** Sends one attempt; core has one for http and https. */
export interface Transport {
  /** Without the colon. */
  readonly schemes: readonly string[];
  send(target: Target, x: Exchange, sink: TransportSink): TransportCall;
  close?(): Awaitable<void>;
}

export interface ModelEntry {
  readonly id: string;
  readonly description?: string;
  readonly ownedBy?: string;
}

/** Names models that no target lists by itself, such as aliases. */
export interface Catalog {
  models(): readonly ModelEntry[];
}

/** Something that holds or does not, such as what a listener waits for. */
export interface Condition {
  /** Asked at the start, once a second, and after each change; quick, and without effect. */
  holds(): boolean;
  /** Why it does not hold, for people. */
  why?(): string;
  /** Calls back when the answer may be another one, for as long as the generation lives. */
  onChange?(changed: () => void): void;
}

/** The kinds of choice; third parties add kinds by declaration merging. */
export interface Services {
  selector: SelectorService;
  discovery: Discovery;
  relay: RelayService;
  gate: GateService;
  grudge: Grudge;
  transport: Transport;
  catalog: Catalog;
  condition: Condition;
}
