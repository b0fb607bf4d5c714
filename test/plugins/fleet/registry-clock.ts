import type { Alarm } from "../../../plugins/fleet/_registry-deadlines.ts";

/** A clock that stands still until it is told to go on, and the timers that go by it. */
export interface FakeClock {
  readonly now: () => number;
  readonly wallClock: () => number;
  readonly alarm: Alarm;
  /** Goes on, and lets what was set in motion come to its end. */
  pass(ms: number): Promise<void>;
}

export function createFakeClock(): FakeClock {
  let time = 1_000;
  const timers = new Set<{ readonly at: number; readonly run: () => void }>();
  return {
    now: () => time,
    wallClock: () => Date.UTC(2026, 0, 2) + time,
    alarm(run, ms) {
      const timer = { at: time + Math.max(ms, 0), run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async pass(ms) {
      const end = time + ms;
      for (;;) {
        const [first] = [...timers].toSorted((a, b) => a.at - b.at);
        if (first === undefined || first.at > end) break;
        timers.delete(first);
        time = first.at;
        first.run();
      }
      time = end;
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => void setImmediate(resolve));
    },
  };
}
