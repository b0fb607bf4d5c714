import type { Exchange, Target } from "../../core/index.ts";
import { createLists } from "./_outlier-lists.ts";
import type { OutlierRecord } from "./_outlier-record.ts";

/** What outlives a reload. A record goes with the counters of its target, which core keeps as long as the target. */
export interface Memory {
  readonly records: WeakMap<Target["live"], OutlierRecord>;
  /** Those that are out. */
  readonly outs: Set<OutlierRecord>;
  /** Of what the lists are made by. */
  version: number;
}

/** Lets one request at a time try a target whose ejection is over. */
export interface Trials {
  /** Without those that are being tried already, as long as others are left. */
  narrow(targets: readonly Target[]): readonly Target[];
  /** A request is on its way to the target. */
  begin(target: Target, x: Exchange): void;
  /** It has ended; false when it was no trial. */
  end(record: OutlierRecord, x: Exchange): boolean;
}

export interface TrialSettings {
  readonly duration: number;
  readonly now: () => number;
}

export function createTrials(memory: Memory, { duration, now }: TrialSettings): Trials {
  const { records, outs } = memory;
  const lists = createLists({
    keeps({ live }, time) {
      const record = records.get(live);
      if (record === undefined || !record.out) return true;
      // What is published of a verdict comes a little later than the verdict.
      return record.until <= time && [...record.trials.values()].every((until) => until <= time);
    },
    changesAt: (time) => nextAfter(time, outs),
    version: () => memory.version,
  });

  return {
    narrow(targets) {
      if (outs.size === 0) return targets;
      const list = lists.narrow(targets, now());
      return list.length === 0 ? targets : list;
    },
    begin({ live }, x) {
      const record = records.get(live);
      if (record?.out !== true) return;
      // A trial may take as long as an answer, or never begin at all: after a while another request may go too.
      record.trials.set(x.id, now() + duration);
      memory.version += 1;
    },
    end({ trials }, x) {
      if (!trials.delete(x.id)) return false;
      memory.version += 1;
      return true;
    },
  };
}

/** When the next ejection ends, or the next place on a trial becomes free. */
function nextAfter(time: number, outs: ReadonlySet<OutlierRecord>): number {
  let next = Infinity;
  for (const { until, trials } of outs) {
    if (until > time) next = Math.min(next, until);
    for (const end of trials.values()) if (end > time) next = Math.min(next, end);
  }
  return next;
}
