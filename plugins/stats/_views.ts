import type { Pool, Status, Target, Verdict } from "../../core/index.ts";

/** What `/health` says: whether the proxy lives, and in what state. */
export interface HealthView {
  /** `degraded`: a target is down, a source is stale or a reload was refused; `unhealthy`: no target is available. */
  readonly status: "healthy" | "degraded" | "unhealthy";
  /** Targets available, of those there are. */
  readonly healthy: number;
  readonly total: number;
  /** Milliseconds. */
  readonly uptime: number;
  readonly generation: number;
  readonly draining: boolean;
  readonly reloadError: string | null;
  readonly stale: Status["stale"];
}

/** What `/ready` says: whether requests should be sent here. */
export interface ReadyView {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** Who says that a target is down, why and how long; `until` is null until the reporter says otherwise. */
export interface VerdictView {
  readonly reporter: string;
  readonly reason: string;
  readonly since: string | null;
  readonly until: string | null;
}

/** One line of `/services`. */
export interface ServiceView {
  readonly id: string;
  readonly pool: string;
  readonly url: string;
  readonly healthy: boolean;
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

export function toHealth(pools: readonly Pool[], status: Status, now: number): HealthView {
  const total = new Set(pools.flatMap((pool) => pool.snapshot.all.map((target) => target.id))).size;
  const healthy = new Set(pools.flatMap((pool) => pool.snapshot.available.map((target) => target.id))).size;
  const impaired = healthy < total || status.stale.length > 0 || status.reloadError !== undefined;
  return {
    status: healthy === 0 ? "unhealthy" : impaired ? "degraded" : "healthy",
    healthy,
    total,
    uptime: now - status.startedAt,
    generation: status.generation,
    draining: status.draining,
    reloadError: status.reloadError ?? null,
    stale: status.stale,
  };
}

export function toReady(pools: readonly Pool[], status: Status): ReadyView {
  const empty = pools.filter((pool) => pool.snapshot.available.length === 0);
  const reasons = empty.map((pool) => `pool ${pool.name} has no available target`);
  if (status.draining) reasons.unshift("draining");
  return { ready: reasons.length === 0, reasons };
}

/** One target in `/stats`. */
export interface TargetCounts {
  readonly id: string;
  readonly pool: string;
  readonly healthy: boolean;
  readonly inflight: number;
  readonly requests: number;
  readonly failures: number;
  readonly ttfb: number;
}

export function toTargetCounts(pools: readonly Pool[]): TargetCounts[] {
  return toServices(pools).map(({ id, pool, healthy, inflight, requests, failures, ttfb }) => {
    return { id, pool, healthy, inflight, requests, failures, ttfb };
  });
}

export function toServices(pools: readonly Pool[]): ServiceView[] {
  return pools.flatMap((pool) => {
    const available = new Set(pool.snapshot.available);
    return pool.snapshot.all.map((target) => toService(target, pool, available.has(target)));
  });
}

/** Field by field: what a target's `meta` holds may be a secret. */
function toService(target: Target, pool: Pool, healthy: boolean): ServiceView {
  const { id, origin, basePath, weight, models, labels } = target;
  const { inflight, requests, failures, ttfb, lastFailure } = target.live;
  return {
    id,
    pool: pool.name,
    url: `${origin}${basePath}`,
    healthy,
    verdicts: pool.verdicts(id).map(toVerdict),
    weight,
    models,
    labels,
    inflight,
    requests,
    failures,
    ttfb: Math.round(ttfb * 1_000) / 1_000,
    lastFailure: toTime(lastFailure === 0 ? Infinity : lastFailure),
  };
}

function toVerdict({ reporter, reason, since, until }: Verdict): VerdictView {
  return { reporter, reason, since: toTime(since), until: toTime(until) };
}

function toTime(time: number): string | null {
  return Number.isFinite(time) ? new Date(time).toISOString() : null;
}
