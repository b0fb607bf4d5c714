import type { Pool, Target, Verdict } from "../contract/target.ts";

/** Who says that a target is down, and why. Times are ISO 8601. */
export interface VerdictView {
  readonly reporter: string;
  readonly reason: string;
  readonly since: string;
  /** Null until the reporter says otherwise. */
  readonly until: string | null;
  /** Seconds until then. */
  readonly left: number | null;
}

/** A target as operators may see it. */
export interface TargetView {
  readonly id: string;
  readonly url: string;
  readonly verdicts: readonly VerdictView[];
  readonly weight: number;
  readonly models: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly inflight: number;
  readonly requests: number;
  readonly failures: number;
  /** Milliseconds, exponentially weighted. */
  readonly ttfb: number;
  readonly lastFailure: string | null;
}

/** Field by field: what a target's `meta` holds may be a secret. */
export function targetView(target: Target, pool: Pick<Pool, "verdicts">): TargetView {
  const { id, origin, basePath, weight, models, labels } = target;
  const { inflight, requests, failures, ttfb, lastFailure } = target.live;
  return {
    id,
    url: `${origin}${basePath}`,
    verdicts: pool.verdicts(id).map(verdictView),
    weight,
    models,
    labels,
    inflight,
    requests,
    failures,
    ttfb: Math.round(ttfb * 1_000) / 1_000,
    lastFailure: lastFailure === 0 ? null : isoTime(lastFailure),
  };
}

export function verdictView({ reporter, reason, since, until }: Verdict): VerdictView {
  const ends = Number.isFinite(until);
  return {
    reporter,
    reason,
    since: isoTime(since),
    until: ends ? isoTime(until) : null,
    left: ends ? Math.max(0, Math.ceil((until - Date.now()) / 1_000)) : null,
  };
}

/** The latest that a date can tell of. */
const latest = 8.64e15;

/** Of `Date.now()`, as ISO 8601. */
export function isoTime(time: number): string {
  return new Date(Math.min(time, latest)).toISOString();
}
