import type { Pool, Reporter, Route, Target } from "../../core/index.ts";
import { onNextPass } from "./_outlier-passes.ts";
import { clear, createRecord, type OutlierRecord } from "./_outlier-record.ts";
import { createRoom, type RoomSettings } from "./_outlier-room.ts";
import type { Memory } from "./_outlier-trials.ts";

export interface RotationSettings extends RoomSettings {
  readonly window: number;
  readonly duration: number;
  readonly maxDuration: number;
  readonly jitter: number;
  readonly activeChecks: boolean;
  readonly now: () => number;
}

export interface RotationTools {
  readonly memory: Memory;
  readonly reporter: Reporter;
  readonly random: () => number;
  /** The pools whose targets are looked after. */
  pools(): readonly Pool[];
  told(sentence: string, bad: boolean): void;
}

/** Takes targets out, and brings them back. */
export interface Rotation {
  recordOf(target: Target): OutlierRecord;
  /** Takes it out, unless too few were left. */
  eject(target: Target, why: string, route: Route | undefined): void;
  readmit(record: OutlierRecord): void;
  /** Takes back, and counts anew, one target or all. Returns how many were out. */
  pardon(target: string | undefined): number;
  /** After a change of a pool: forgets who left, and takes back all when too few are usable. */
  review(): void;
}

export function createRotation(settings: RotationSettings, tools: RotationTools): Rotation {
  const { window, duration, maxDuration, jitter, now } = settings;
  const { memory, reporter, random, pools, told } = tools;
  const { records, outs } = memory;

  const room = createRoom(settings, { pools, isUsable: ({ live }) => records.get(live)?.out !== true });

  function eject(target: Target, why: string, route: Route | undefined): void {
    const record = recordOf(target);
    clear(record);
    if (!room.spares(target, route)) {
      // On trial while it is all there is would be worse than back.
      if (record.out) readmit(record);
      return;
    }
    const time = now();
    const forgiven = record.out ? 0 : Math.floor((time - record.returnedAt) / duration);
    record.times = Math.max(0, record.times - forgiven) + 1;
    const length = Math.min(duration * record.times, maxDuration) * (1 + jitter * (random() * 2 - 1));
    record.out = true;
    record.until = time + length;
    record.trials.clear();
    outs.add(record);
    memory.version += 1;
    reporter.down(record.id, why, length);
    told(`target ${record.id} is ejected for ${Math.round(length / 100) / 10} s: ${why}`, true);
    if (settings.activeChecks) onNextPass(memory, target, () => endEarly(record));
  }

  /** The target says that it is well; the next request will tell. */
  function endEarly(record: OutlierRecord): void {
    if (!record.out) return;
    record.until = Math.min(record.until, now());
    memory.version += 1;
    reporter.up(record.id);
  }

  function readmit(record: OutlierRecord): void {
    forget(record);
    clear(record);
    record.returnedAt = now();
    reporter.up(record.id);
    told(`target ${record.id} is back`, false);
  }

  function recordOf({ id, live }: Target): OutlierRecord {
    let record = records.get(live);
    if (record === undefined) records.set(live, (record = createRecord(id, now(), window)));
    return record;
  }

  function forget(record: OutlierRecord): void {
    record.out = false;
    record.trials.clear();
    outs.delete(record);
    memory.version += 1;
  }

  function takeBack({ snapshot }: Pool): void {
    for (const { live } of snapshot.all) {
      const record = records.get(live);
      if (record?.out === true) readmit(record);
    }
  }

  function pardon(target: string | undefined): number {
    const known = pools().flatMap(({ snapshot }) => snapshot.all.map(({ live }) => records.get(live)));
    let count = 0;
    for (const record of new Set(known)) {
      if (record === undefined || (target !== undefined && record.id !== target)) continue;
      clear(record);
      record.times = 0;
      if (!record.out) continue;
      readmit(record);
      count += 1;
    }
    return count;
  }

  return {
    recordOf,
    eject,
    readmit,
    pardon,
    review() {
      if (outs.size === 0) return;
      const present = new Set(pools().flatMap(({ snapshot }) => snapshot.all.map(({ live }) => records.get(live))));
      for (const record of outs) if (!present.has(record)) forget(record);
      for (const pool of pools()) if (room.isShort(pool)) takeBack(pool);
    },
  };
}
