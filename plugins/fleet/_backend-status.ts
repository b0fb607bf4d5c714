import type { ListedModel } from "./_ready.ts";

/**
 * - `stopped` not wanted, or not yet; `starting` it runs and does not answer yet
 * - `ready` it answers; `unready` it runs and does not answer any more
 * - `waiting` for its next start; `stopping` it is being ended; `dead` it was given up
 */
export type BackendState = "stopped" | "starting" | "ready" | "unready" | "waiting" | "stopping" | "dead";

/** What is known of a backend; replaced whole at each change. */
export interface BackendStatus {
  readonly state: BackendState;
  /** Why it is in that state, in words for people; empty when there is nothing to say. */
  readonly reason: string;
  /** `Date.now()` of the change of state. */
  readonly since: number;
  /** 0: not chosen yet. */
  readonly port: number;
  readonly pid: number | undefined;
  /** Times it was started again. */
  readonly restarts: number;
  /** As it listed them last; undefined: it has not listed any, and may still do so. */
  readonly models: readonly ListedModel[] | undefined;
  /** Milliseconds that its last start took until it was ready; 0: it never was. */
  readonly startup: number;
}

export interface StatusBoard {
  readonly status: BackendStatus;
  /** Listeners hear of it only when something is different. */
  set(changes: Partial<Omit<BackendStatus, "since">>): void;
  onChange(listener: (status: BackendStatus) => void): () => void;
}

export function createStatusBoard(port: number): StatusBoard {
  const listeners = new Set<(status: BackendStatus) => void>();
  let status: BackendStatus = {
    state: "stopped",
    reason: "not started yet",
    since: Date.now(),
    port,
    pid: undefined,
    restarts: 0,
    models: undefined,
    startup: 0,
  };
  return {
    get status() {
      return status;
    },
    set(changes) {
      const since = changes.state === undefined || changes.state === status.state ? status.since : Date.now();
      const next = { ...status, ...changes, since };
      if (isSame(next, status)) return;
      status = next;
      for (const listener of listeners) listener(status);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Why no request can go to it now; undefined: it can. */
export function whyDown({ state, reason }: BackendStatus): string | undefined {
  if (state === "ready") return undefined;
  return reason === "" ? state : `${state}: ${reason}`;
}

function isSame(a: BackendStatus, b: BackendStatus): boolean {
  return (Object.keys(a) as (keyof BackendStatus)[]).every((key) => a[key] === b[key]);
}
