import { type Pool, type Status, type Target, targetView, type TargetView } from "../../core/index.ts";

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

/** One line of `/services`. */
export interface ServiceView extends TargetView {
  readonly pool: string;
  readonly healthy: boolean;
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

function toService(target: Target, pool: Pool, healthy: boolean): ServiceView {
  const { id, ...view } = targetView(target, pool);
  return { id, pool: pool.name, healthy, ...view };
}
