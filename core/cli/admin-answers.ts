import { Failure } from "./failure.ts";

/** As much of what the admin plugin answers as is shown. Times are in ISO 8601. */
export interface AdminStatus {
  readonly generation: number;
  readonly active: number;
  readonly draining: boolean;
  /** Seconds. */
  readonly uptime: number;
  readonly reloadError: string | null;
  readonly stale: readonly { readonly source: string; readonly pool: string; readonly error: string }[];
  readonly listeners: readonly AdminListener[];
  readonly pools: readonly AdminPool[];
  readonly drained: readonly { readonly target: string; readonly reason: string | null; readonly since: string }[];
}

export interface AdminListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly url?: string;
  readonly state: string;
  readonly reason?: string;
}

export interface AdminPool {
  readonly name: string;
  readonly available: number;
  readonly targets: readonly AdminTarget[];
  readonly disabled: readonly string[];
}

export interface AdminTarget {
  readonly id: string;
  readonly url: string;
  readonly available: boolean;
  readonly verdicts: readonly AdminVerdict[];
  readonly models: readonly string[];
  readonly inflight: number;
  readonly requests: number;
  readonly failures: number;
  /** Milliseconds. */
  readonly ttfb: number;
}

export interface AdminVerdict {
  readonly reporter: string;
  readonly reason: string;
  readonly since: string;
  /** Seconds until it lapses by itself. */
  readonly left: number | null;
}

/** What `drain` and `undrain` answer. */
export interface AdminDrain {
  readonly target: string;
  readonly drained: boolean;
  readonly inflight: number;
  readonly others: readonly AdminVerdict[];
  readonly pools: readonly { readonly name: string; readonly available: number }[];
  /** Missing where nothing is stored. */
  readonly stored?: boolean;
}

/** @throws Failure when it is of a version that is not known here */
export function checkStatus(status: AdminStatus, url: string): AdminStatus {
  const lists = [status.stale, status.listeners, status.pools, status.drained];
  if (lists.every((list) => Array.isArray(list))) return status;
  throw new Failure(1, `the admin plugin at ${url} answers what is not known here`, {
    fix: "use the plugboard of the proxy's own version",
  });
}
