import type { DiscoverySink, TargetSpec } from "../../core/index.ts";

/** What a source said. */
export interface Told {
  /** With a fault, as far as they are known; undefined: they stay as they are. */
  readonly targets: readonly TargetSpec[] | undefined;
  readonly fault?: Error | undefined;
}

export interface FollowOptions {
  readonly sink: DiscoverySink;
  readonly signal: AbortSignal;
  /** Asks the source; must settle soon after the signal aborts. A rejection is a fault. */
  ask(): Promise<Told>;
  /** Milliseconds until the source is asked again, after so many failures in a row. */
  wait(failures: number): number;
}

export interface Follower {
  /** Asks the source now; resolves when the sink knows what it said. Asked meanwhile again, it asks once more. */
  ask(): Promise<void>;
}

/** Asks a source again and again, one question at a time, and tells the sink what is new. */
export function follow({ sink, signal, ask, wait }: FollowOptions): Follower {
  let timer: NodeJS.Timeout | undefined;
  let asking: Promise<void> | undefined;
  let again = false;
  let failures = 0;
  let last = "";

  function tell({ targets, fault }: Told): void {
    failures = fault === undefined ? 0 : failures + 1;
    const text = JSON.stringify([targets, fault?.message]);
    if (text === last) return;
    last = text;
    if (targets !== undefined) sink.replace(targets);
    if (fault !== undefined) sink.fail(fault);
  }

  async function rounds(): Promise<void> {
    do {
      again = false;
      try {
        const told = await ask();
        if (!signal.aborted) tell(told);
      } catch (error) {
        if (!signal.aborted) tell({ targets: undefined, fault: toError(error) });
      }
    } while (again && !signal.aborted);
    asking = undefined;
    if (!signal.aborted) timer = setTimeout(() => void askNow(), wait(failures)).unref();
  }

  function askNow(): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    clearTimeout(timer);
    again = asking !== undefined;
    return (asking ??= rounds());
  }

  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return { ask: askNow };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Twice as long after each failure in a row, from 1 to 30 seconds, with half of it by chance. */
export function backoff(failures: number, random: () => number): number {
  const most = Math.min(30_000, 1_000 * 2 ** Math.min(failures - 1, 5));
  return (most * (1 + random())) / 2;
}
