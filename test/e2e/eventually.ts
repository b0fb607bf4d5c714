import { vi } from "vitest";

/** Settles when `check` no longer throws; patient enough for a busy machine, and below the time-out of a test. */
export function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 4_000, interval: 10 });
}
