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
}

/** Counters that core keeps of a target; they survive reloads. */
export interface TargetStats {
  /** Attempts under way. */
  inflight: number;
  /** Attempts started. */
  requests: number;
  /** Attempts that ended in an upstream fault (connect, reset, timeout, stall, broken stream). */
  failures: number;
  /** Time to the response head in milliseconds, exponentially weighted (1/8 per sample); 0 until the first. */
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
}

/** One reporter's word that a target is down. */
export interface Verdict {
  readonly reporter: string;
  readonly reason: string;
  /** `Date.now()` at which it lapses by itself; `Infinity`: when the reporter says up. */
  readonly until: number;
}

/** A named set of targets. */
export interface Pool {
  readonly name: string;
  readonly snapshot: Snapshot;
  /** Called after each new snapshot, for as long as the generation lives. */
  onChange(listener: (snapshot: Snapshot) => void): void;
  /** Why a target is down; empty when it is available. */
  verdicts(id: string): readonly Verdict[];
}
