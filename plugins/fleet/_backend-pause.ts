import { setTimeout as delay } from "node:timers/promises";

/** Resolves when the time is over, or the signal aborts. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => undefined);
}

/** Resolves with the task, or when the time is over. */
export async function within(milliseconds: number, task: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([task, pause(milliseconds, over.signal)]);
  over.abort();
}
