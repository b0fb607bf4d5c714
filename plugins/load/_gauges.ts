import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import { descriptorLimit, openDescriptors } from "../../core/index.ts";

/** Something that a process has too little of, and how much of it is used. */
export interface Gauge {
  readonly name: string;
  /** From here on it is too much. */
  readonly mark: number;
  /** Undefined: nothing new is known. `now` in milliseconds. */
  read(now: number): number | undefined;
  /** For people. */
  show(value: number): string;
  close?(): void;
}

const MiB = 1024 * 1024;
const delayWindow = 2_000;
const descriptorPause = 1_000;
const fullMemory = 5_000;

/**
 * The share of the old generation in use. V8 collects long before that unless what is alive fills it: at 0.92 more than
 * 0.8 was alive after the last collection.
 */
export function heapGauge(mark: number): Gauge {
  const limit = oldGenerationLimit();
  return {
    name: "heap",
    mark,
    read() {
      let used = 0;
      for (const { space_name: name, space_used_size: size } of getHeapSpaceStatistics())
        if (!name.startsWith("new_")) used += size;
      return used / limit;
    },
    show: (value) => `${percent(value)} of a heap of ${Math.round(limit / MiB)} MiB`,
  };
}

/**
 * What a process dies of is a full old generation. V8 tells the sum with the young one's three semi-spaces, of 16 MiB
 * each unless a flag says otherwise: of a heap of 256 MiB that is never used beyond 0.84.
 */
function oldGenerationLimit(): number {
  const young = 3 * (flagOf("semi") ?? 16) * MiB;
  const told = flagOf("old");
  const rest = getHeapStatistics().heap_size_limit - young;
  return told === undefined ? rest : Math.min(told * MiB, rest);
}

/** MiB; of the flag for one generation. */
function flagOf(generation: "semi" | "old"): number | undefined {
  const flags = [process.env["NODE_OPTIONS"] ?? "", ...process.execArgv].join(" ");
  const found = [...flags.matchAll(/--max[-_](semi|old)[-_]space[-_]size[= ](\d+)/g)];
  const [, , size] = found.findLast(([, name]) => name === generation) ?? [];
  return Number(size) || undefined;
}

/** The 99th percentile of what timers are late, in milliseconds, of two seconds each; a single pause is none of it. */
export function delayGauge(mark: number): Gauge {
  const resolution = 10;
  const delays = monitorEventLoopDelay({ resolution });
  let since: number | undefined;
  return {
    name: "delay",
    mark,
    read(now) {
      if (since === undefined) delays.enable();
      else if (now - since < delayWindow) return undefined;
      // A reset costs the next sample: with turns longer than the window there would never be one.
      else if (delays.count === 0) return undefined;
      const value = since === undefined ? undefined : delays.percentile(99) / 1e6 - resolution;
      since = now;
      delays.reset();
      return value;
    },
    show: (value) => `an event loop that is ${Math.round(value)} ms late`,
    close: () => void delays.disable(),
  };
}

/** The share of the file descriptors in use; it is not known everywhere. */
export function descriptorGauge(mark: number): Gauge {
  const limit = descriptorLimit();
  let since = -Infinity;
  return {
    name: "descriptors",
    mark,
    read(now) {
      // Before Linux 6.2 they have to be listed to be counted.
      if (limit === Infinity || now - since < descriptorPause) return undefined;
      since = now;
      const open = openDescriptors();
      return open === undefined ? undefined : open / limit;
    },
    show: (value) => `${percent(value)} of ${limit} file descriptors`,
  };
}

/** Whether the requests under way were as many as there may be within the last seconds; it only tells of it. */
export function fullGauge(read: () => { readonly active: number; readonly fullAt: number }, most: number): Gauge {
  return {
    name: "active",
    mark: 1,
    read: (now) => (now - read().fullAt < fullMemory ? 1 : 0),
    show: () => `${read().active} of ${most} requests under way`,
  };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
