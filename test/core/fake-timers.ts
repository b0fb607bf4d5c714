import { onTestFinished, vi } from "vitest";

export interface FakeTimers {
  /** Timers that are set. */
  pending(): number;
  /** Runs those that come due meanwhile. */
  pass(milliseconds: number): Promise<void>;
}

/** From now on, and until the test is over, a timeout comes due only when the test says so. */
export function fakeTimers(): FakeTimers {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  return {
    pending: () => vi.getTimerCount(),
    pass: async (milliseconds) => void (await vi.advanceTimersByTimeAsync(milliseconds)),
  };
}
