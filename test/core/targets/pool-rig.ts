import { inspect } from "node:util";
import type { DiscoverySink, Snapshot, TargetSpec } from "plugboard";
import { Ledger } from "../../../core/targets/ledger.ts";
import { TargetPool } from "../../../core/targets/pool.ts";

export interface PoolRig {
  readonly ledger: Ledger;
  readonly pool: TargetPool;
  /** The sink of a source; the first is "one". */
  readonly sink: DiscoverySink;
  /** What its sources failed with: `one: message`; `one: well`. */
  readonly sources: readonly string[];
  readonly snapshots: readonly Snapshot[];
}

export function poolRig(ledger: Ledger = new Ledger()): PoolRig {
  const sources: string[] = [];
  const snapshots: Snapshot[] = [];
  const pool = new TargetPool("default", ledger, {
    health: () => {},
    source: (_pool, source, error) => {
      sources.push(
        `${source}: ${error === undefined ? "well" : error instanceof Error ? error.message : inspect(error)}`,
      );
    },
  });
  pool.onChange((snapshot) => void snapshots.push(snapshot));
  return { ledger, pool, sink: pool.sink("one"), sources, snapshots };
}

/** Specs of these ids, each of its own origin. */
export function specs(...ids: string[]): TargetSpec[] {
  return ids.map((id) => ({ id, url: `http://${id}.test` }));
}

export function idsOf(pool: TargetPool): string[] {
  return pool.snapshot.all.map(({ id }) => id);
}

/** Until the end of this tick's snapshots. */
export function published(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
