import * as v from "valibot";
import type { Exchange, Outcome, Pool, SelectorTools, Snapshot, Target } from "../../core/index.ts";
import { clockSource } from "./_chance-and-time.ts";
import { createMeasures } from "./_measures.ts";
import { type Columns, createColumns, createKnownSpeeds, type Expected, noteChange } from "./_speed-columns.ts";
import { createTypical } from "./_speed-median.ts";
import { isFault, penaltyAt, punish, sample, type Speed, unmeasured } from "./_speed-samples.ts";

export interface SpeedOptions {
  /** Milliseconds after which an old sample counts for a third against a new and faster one. */
  readonly decay: number;
  readonly now: () => number;
}

/** The options that every selector by speed has. */
export const speedEntries: {
  readonly decay: v.OptionalSchema<v.GenericSchema<number>, number>;
  readonly now: v.OptionalSchema<v.GenericSchema<() => number>, () => () => number>;
} = {
  decay: v.optional(v.pipe(v.number(), v.finite("Expected milliseconds"), v.minValue(1, "Expected 1 or more")), 10_000),
  now: v.optional(clockSource, () => () => performance.now()),
};

export interface Speeds {
  /** What to expect of each target, at its index; the same object each time. */
  read(targets: readonly Target[], x: Exchange): Expected;
  /** What is known of it, in words. */
  note(target: Target): string;
  update(snapshot: Snapshot): void;
  attemptEnd(target: Target, outcome: Outcome, x: Exchange): void;
}

/**
 * Measures time to first token and time per token apart: peak EWMA after Finagle's and linkerd's `PeakEwma` (a sample
 * above the estimate takes over at once, one below it by `exp(-elapsed / decay)`).
 *
 * Other than there, one without a sample counts as the median of the others: as 0 it would be flooded. While a target
 * has nothing under way its estimate falls to that of the fastest, so that it is tried again. A fault makes it count
 * twice as slow, or as slow as it took, and fades. An answer of 400 to 499 and a client that left say nothing of it.
 */
export function createSpeeds(pool: Pool, tools: SelectorTools, { decay, now }: SpeedOptions): Speeds {
  // By pool: pruning for one must not forget the targets of another.
  const known = tools.keep(`speed ${pool.name}`, createKnownSpeeds);
  const measures = createMeasures(known.speeds, () => unmeasured(now()));
  const learn = createLearner(tools, decay);
  const typical = createTypical();
  let list: readonly Target[] | undefined;
  let columns: Columns | undefined;
  let isListening = false;

  function columnsOf(targets: readonly Target[], passing: boolean): Columns {
    if (columns !== undefined && targets === list) return columns;
    const made = createColumns(targets, targets.map(measures.of), { known, typical, decay, now, passing });
    if (passing) return made;
    if (made.isLong && !isListening) pool.onLoad((live) => columns?.loaded(live));
    isListening ||= made.isLong;
    list = targets;
    return (columns = made);
  }

  return {
    // A list made for a retry must not take the place of the one that is kept.
    read: (targets, x) => columnsOf(targets, x.tried.length > 0).read(),
    note(target) {
      const speed = measures.of(target);
      return toNote(speed, penaltyAt(speed.penalty, now() - speed.faultAt, decay));
    },
    update: ({ all }) => measures.forgetOthers(all),
    attemptEnd(target, outcome, x) {
      const speed = measures.of(target);
      const time = now();
      speed.restingSince = time;
      if (isFault(outcome)) punish(speed, outcome, speed.ttft > 0 ? speed.ttft : typical.ttft.median, time, decay);
      else if (outcome.kind === "ok" && outcome.status < 400) learn(outcome, x, speed, time);
      noteChange(known, speed);
    },
  };
}

/** Takes the samples that an answer gives. */
type Learner = (outcome: Outcome, x: Exchange, speed: Speed, time: number) => void;

function createLearner(tools: SelectorTools, decay: number): Learner {
  const usage = tools.slot<{ readonly completionTokens: number }>("usage");
  const firstToken = tools.slot<number>("first-token");
  return ({ ttfb, duration }, x, speed, time) => {
    const tokens = usage.get(x)?.completionTokens ?? 0;
    const wait = firstToken.get(x);
    if (wait !== undefined) {
      sample(speed, "ttft", ttfb + wait, time, decay);
      if (tokens > 1) sample(speed, "perToken", (duration - ttfb - wait) / (tokens - 1), time, decay);
    } else if (tokens > 0) {
      // Of an answer in one piece the head comes when the last token is there.
      sample(speed, "perToken", duration / tokens, time, decay);
    } else {
      sample(speed, "ttft", ttfb, time, decay);
    }
  };
}

function toNote({ ttft, perToken }: Speed, penalty: number): string {
  const parts = [
    ttft > 0 && `first token in ${ttft.toFixed(0)} ms`,
    perToken > 0 && `${perToken.toFixed(1)} ms per token`,
    ttft === 0 && perToken === 0 && "not measured, counts as the median",
    penalty > 1.05 && `${penalty.toFixed(1)} times slower for its faults`,
  ];
  return parts.filter((part) => part !== false).join(", ");
}
