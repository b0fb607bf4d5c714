import type { Pool, Status, Target, Verdict } from "../../core/index.ts";

import type { Drain } from "./_drain-storage.ts";

/** What `/status` says. Times are in ISO 8601. */
export interface StatusView extends Omit<Status, "startedAt" | "reloadError"> {
  readonly startedAt: string;
  /** Seconds. */
  readonly uptime: number;
  readonly reloadError: string | null;
  readonly pools: readonly PoolView[];
  /** Also of targets that are not there now. */
  readonly drained: readonly DrainView[];
}

export interface PoolView {
  readonly name: string;
  readonly available: number;
  readonly targets: readonly TargetView[];
  /** Those switched off in the config, by id. */
  readonly disabled: readonly string[];
}

export interface TargetView {
  readonly id: string;
  readonly url: string;
  readonly available: boolean;
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

/** Who says that a target is down, and why; without `until` it holds until they say otherwise. */
export interface VerdictView {
  readonly reporter: string;
  readonly reason: string;
  readonly since: string;
  readonly until: string | null;
  /** Seconds until then. */
  readonly left: number | null;
}

export interface DrainView {
  readonly target: string;
  readonly reason: string | null;
  readonly since: string;
}

interface Parts {
  readonly status: Status;
  readonly pools: readonly Pool[];
  readonly drains: Iterable<Drain>;
}

export function toStatus({ status, pools, drains }: Parts, now: number): StatusView {
  return {
    ...status,
    // Without the request that asks this.
    active: Math.max(0, status.active - 1),
    startedAt: toTime(status.startedAt),
    uptime: Math.floor((now - status.startedAt) / 1_000),
    reloadError: status.reloadError ?? null,
    pools: pools.map((pool) => toPool(pool, now)),
    drained: [...drains].map(({ id, reason, since }) => ({ target: id, reason: reason ?? null, since: toTime(since) })),
  };
}

function toPool(pool: Pool, now: number): PoolView {
  const { all, available, disabled } = pool.snapshot;
  const usable = new Set(available);
  return {
    name: pool.name,
    available: available.length,
    targets: all.map((target) => toTarget(target, usable.has(target), pool.verdicts(target.id), now)),
    disabled: disabled.map(({ id }) => id),
  };
}

/** Field by field: what a target's `meta` holds may be a secret. */
function toTarget(target: Target, available: boolean, verdicts: readonly Verdict[], now: number): TargetView {
  const { id, origin, basePath, weight, models, labels } = target;
  const { inflight, requests, failures, ttfb, lastFailure } = target.live;
  return {
    id,
    url: `${origin}${basePath}`,
    available,
    verdicts: verdicts.map((verdict) => toVerdict(verdict, now)),
    weight,
    models,
    labels,
    inflight,
    requests,
    failures,
    ttfb: Math.round(ttfb * 1_000) / 1_000,
    lastFailure: lastFailure === 0 ? null : toTime(lastFailure),
  };
}

export function toVerdict({ reporter, reason, since, until }: Verdict, now: number): VerdictView {
  const ends = Number.isFinite(until);
  return {
    reporter,
    reason,
    since: toTime(since),
    until: ends ? toTime(until) : null,
    left: ends ? toSeconds(until - now) : null,
  };
}

function toSeconds(milliseconds: number): number {
  return Math.max(0, Math.ceil(milliseconds / 1_000));
}

/** The latest that a date can tell of. */
const latest = 8.64e15;

export function toTime(time: number): string {
  return new Date(Math.min(time, latest)).toISOString();
}
