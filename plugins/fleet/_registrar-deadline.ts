export interface Deadline {
  /** Aborts when the time is over, and with the other signal. */
  readonly signal: AbortSignal;
  /** It was the time. */
  late(): boolean;
  clear(): void;
}

/** Not AbortSignal.any: what that makes of a long-lived signal stays with it, one for each heartbeat. */
export function startDeadline(milliseconds: number, signal: AbortSignal): Deadline {
  const controller = new AbortController();
  let late = false;
  const cancel = (): void => controller.abort();
  const timer = setTimeout(() => {
    late = true;
    cancel();
  }, milliseconds);
  if (signal.aborted) cancel();
  else signal.addEventListener("abort", cancel, { once: true });
  return {
    signal: controller.signal,
    late: () => late,
    clear() {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    },
  };
}
