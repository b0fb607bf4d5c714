import { isoTime, type Pool, type Status, targetView, type TargetView } from "../../core/index.ts";
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
  readonly targets: readonly AdminTargetView[];
  /** Those switched off in the config, by id. */
  readonly disabled: readonly string[];
}

export interface AdminTargetView extends TargetView {
  readonly available: boolean;
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
    startedAt: isoTime(status.startedAt),
    uptime: Math.floor((now - status.startedAt) / 1_000),
    reloadError: status.reloadError ?? null,
    pools: pools.map(toPool),
    drained: [...drains].map(({ id, reason, since }) => ({
      target: id,
      reason: reason ?? null,
      since: isoTime(since),
    })),
  };
}

function toPool(pool: Pool): PoolView {
  const { all, available, disabled } = pool.snapshot;
  const usable = new Set(available);
  return {
    name: pool.name,
    available: available.length,
    targets: all.map((target) => ({ ...targetView(target, pool), available: usable.has(target) })),
    disabled: disabled.map(({ id }) => id),
  };
}
