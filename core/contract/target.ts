import type { Timeouts } from "./route.ts";

/** What a discovery plugin says of one upstream instance. */
export interface TargetSpec {
  /** Identity across reloads and discovery churn. @default the url */
  id?: string;
  /** `scheme://host[:port][/base-path]`, no query, no credentials. */
  url: string;
  /** Share of the traffic, relative to the other targets; 0 takes none while another has more. @default 1 */
  weight?: number;
  /** Model names it serves; empty: it takes whatever it is asked for. */
  models?: readonly string[];
  labels?: Readonly<Record<string, string>>;
  meta?: Readonly<Record<string, unknown>>;
  /** Milliseconds an idle connection to it is kept; must be below what the upstream keeps. @default 4000 */
  keepAlive?: number;
  /** Connections opened to it at most. @default 1024 */
  maxConnections?: number;
  /** Attempts under way to it at most, over all routes; one that is full is passed over. @default no limit */
  maxConcurrency?: number;
  /** In place of the route's, for those that are given. */
  timeouts?: Partial<Omit<Timeouts, "total">>;
  /**
   * Where its host may be: addresses, CIDR ranges, `loopback`, `private` or `any`, looked at for each new connection;
   * never link-local and cloud metadata. For targets that somebody else names. @default not looked at
   */
  addresses?: readonly string[];
  /** Of a target by https. Only for targets that the config itself names. */
  tls?: TargetTls;
  /** Speaks HTTP/2 with a target by https that offers it; tunnels and probes stay with HTTP/1.1. @default false */
  http2?: boolean;
  /** False: known by name, and never used. @default true */
  enabled?: boolean;
}

/** How a target by https is trusted, and how it may trust this proxy; files are PEM. */
export interface TargetTls {
  /** Path of the certificates that may vouch for it. @default those that Node trusts */
  ca?: string;
  /** Path of the certificate that is shown to it, and of its key. @default none */
  cert?: string;
  key?: string;
  passphrase?: string;
  /** The name its certificate must be made out for. @default the host of its url */
  servername?: string;
  /** False takes any certificate: whoever is in between can read and change everything. @default true */
  verify?: boolean;
}

/**
 * What a target charges, in dollars per million tokens; a plain number is for tokens of both kinds. By convention it
 * stands in `meta.price`, or by model in `meta.prices`.
 */
export type Price = number | TokenPrice | readonly TieredPrice[];

export interface TokenPrice {
  /** For tokens of the prompt; of the answer. */
  readonly input: number;
  readonly output: number;
  /** Dollars for each request, whatever its size. @default 0 */
  readonly request?: number;
}

/** The first whose prompt fits counts. */
export interface TieredPrice extends TokenPrice {
  /** Prompt tokens up to which it holds. @default no limit */
  readonly upTo?: number;
}

/** Counters that core keeps of a target; they survive reloads. */
export interface TargetStats {
  /** Attempts under way. */
  inflight: number;
  /** Attempts started. */
  requests: number;
  /** Attempts that ended in an upstream fault (connect, reset, timeout, stall, broken stream). */
  failures: number;
  /** Milliseconds to the response heads below 400, exponentially weighted (1/8 per sample); 0 until the first. */
  ttfb: number;
  /** `Date.now()` of the last failure; 0 for none. */
  lastFailure: number;
}

/** One upstream instance as selectors and hooks see it. */
export interface Target {
  readonly id: string;
  /** `scheme://host[:port]` */
  readonly origin: string;
  /** `""` or `/v1`: what the upstream's paths start with; no slash at the end. */
  readonly basePath: string;
  readonly weight: number;
  readonly models: readonly string[];
  /** What it is asked for here, when that is not the name the request gives; only on views. */
  readonly model: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly live: Readonly<TargetStats>;
}

/** One consistent picture of a pool; replaced whole, never changed. */
export interface Snapshot {
  readonly version: number;
  readonly all: readonly Target[];
  /** Those that no reporter says are down. */
  readonly available: readonly Target[];
  /** Those switched off by their spec; not among the others. */
  readonly disabled: readonly Target[];
}

/** One reporter's word that a target is down. */
export interface Verdict {
  readonly reporter: string;
  readonly reason: string;
  /** `Date.now()` since when it has said so without a break. */
  readonly since: number;
  /** `Date.now()` at which it lapses by itself; `Infinity`: when the reporter says up. */
  readonly until: number;
}

/** A named set of targets. */
export interface Pool {
  readonly name: string;
  readonly snapshot: Snapshot;
  /** Called after each new snapshot, for as long as the generation lives. */
  onChange(listener: (snapshot: Snapshot) => void): void;
  /** Called after each change of `live.inflight`, whichever route caused it, for as long as the generation lives. */
  onLoad(listener: (live: Readonly<TargetStats>) => void): void;
  /** Why a target is down; empty when it is available. */
  verdicts(id: string): readonly Verdict[];
}
