import type { Outcome } from "../../core/index.ts";

/** How fast a target was, apart for each model it is asked for there. Times are of the selector's clock. */
export interface Speed {
  /** Milliseconds to the first token, and for each token after it: peak EWMA; 0 without a sample. */
  ttft: number;
  ttftAt: number;
  perToken: number;
  perTokenAt: number;
  /** When its last attempt ended; before the first, when it was first seen. */
  restingSince: number;
  /** How many times slower it counts for its faults, at `faultAt`; 1 is not at all. */
  penalty: number;
  faultAt: number;
}

/** Milliseconds that a sample is at least, so that a division by it stays finite. */
const shortest = 0.001;
/** Times slower that a target counts at most for its faults. */
const worst = 1_000;

export function unmeasured(time: number): Speed {
  return { ttft: 0, ttftAt: 0, perToken: 0, perTokenAt: 0, restingSince: time, penalty: 1, faultAt: 0 };
}

/** Takes a sample of one kind. One above the estimate takes over at once, one below it as time passes. */
export function sample(speed: Speed, kind: "ttft" | "perToken", value: number, time: number, decay: number): void {
  const estimate = speed[kind];
  const told = Math.max(shortest, value);
  const old = told >= estimate ? 0 : Math.exp(-Math.max(0, time - speed[`${kind}At`]) / decay);
  speed[kind] = estimate * old + told * (1 - old);
  speed[`${kind}At`] = time;
}

/** Whether the upstream failed; a client that left or stopped reading, and an answer below 500, are no fault of it. */
export function isFault({ kind, status, error }: Outcome): boolean {
  if (kind === "status") return status >= 500;
  if (kind === "stalled") return error?.source !== "client";
  return kind === "connect" || kind === "reset" || kind === "timeout" || kind === "stream-error";
}

/** Makes it count twice as slow as it does now, or as slow as it took against what was expected. */
export function punish(speed: Speed, { kind, duration }: Outcome, expected: number, time: number, decay: number): void {
  const current = penaltyAt(speed.penalty, time - speed.faultAt, decay);
  // What began before the last fault was known says nothing new: a crash under load is one fault, not a hundred.
  const isNew = speed.penalty === 1 || time - duration >= speed.faultAt;
  // A stream that broke was served well for most of its time.
  const slower = kind === "stream-error" ? 0 : duration / expected;
  const next = Math.min(worst, Math.max(isNew ? current * 2 : current, slower));
  if (next <= current) return;
  speed.penalty = next;
  speed.faultAt = time;
}

/** What is left of a penalty, so many milliseconds after the fault. */
export function penaltyAt(penalty: number, elapsed: number, decay: number): number {
  return 1 + (penalty - 1) * fade(elapsed / decay);
}

/** Close to `exp(-decays)` at first and more lenient later; that itself costs too much for each target of each pick. */
export function fade(decays: number): number {
  const part = 1 + (decays > 0 ? decays : 0) / 4;
  const square = part * part;
  return 1 / (square * square);
}
