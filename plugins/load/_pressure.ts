import type { ConsolaInstance } from "consola";
import type { Gauge } from "./_gauges.ts";

/** What outlives a reload; plain values. */
export interface PressureMemory {
  /** Gauges that are too high, by name. */
  readonly high: Set<string>;
  /** `performance.now()` since when one is. */
  since: number;
  /** Requests that it was felt by since then. */
  felt: number;
}

export function noPressure(): PressureMemory {
  return { high: new Set(), since: 0, felt: 0 };
}

export interface Pressure {
  /** Too much of something is used. */
  readonly high: boolean;
  look(now: number): void;
  close(): void;
}

/** What is too high has to fall below this share of its mark: at the mark itself it would turn with each look. */
const relief = 0.95;

export interface PressureOptions {
  readonly gauges: readonly Gauge[];
  readonly memory: PressureMemory;
  readonly log: ConsolaInstance;
  /** What follows from it, for people. */
  readonly effect: string;
}

export function createPressure({ gauges, memory, log, effect }: PressureOptions): Pressure {
  const { high } = memory;
  const marks = new Set(gauges.map(({ name }) => name));
  // Those that the config no longer has.
  for (const name of high) if (!marks.has(name)) high.delete(name);

  function rise(gauge: Gauge, value: number, now: number): void {
    if (high.size === 0) memory.since = now;
    high.add(gauge.name);
    log.warn(`${effect}: ${gauge.show(value)}`);
  }

  function fall(gauge: Gauge, value: number, now: number): void {
    high.delete(gauge.name);
    if (high.size > 0) return;
    const seconds = Math.round((now - memory.since) / 1_000);
    log.info(`no longer, after ${seconds} s and ${memory.felt} requests: ${effect}; ${gauge.show(value)}`);
    memory.felt = 0;
  }

  return {
    get high() {
      return high.size > 0;
    },
    look(now) {
      for (const gauge of gauges) {
        const value = gauge.read(now);
        if (value === undefined) continue;
        if (value >= gauge.mark && !high.has(gauge.name)) rise(gauge, value, now);
        else if (value < gauge.mark * relief && high.has(gauge.name)) fall(gauge, value, now);
      }
    },
    close() {
      for (const gauge of gauges) gauge.close?.();
    },
  };
}
