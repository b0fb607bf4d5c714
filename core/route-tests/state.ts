import type { Generation } from "../generation/generation.ts";
import type { PoolTarget } from "../targets/target.ts";
import type { TargetState } from "./define.ts";

export type TargetStates = Readonly<Record<string, TargetState>>;

/** The states of the table and those of a test; of the same target key by key, the test's first. */
export function mergeStates(table: TargetStates = {}, test: TargetStates = {}): TargetStates {
  const ids = new Set([...Object.keys(table), ...Object.keys(test)]);
  return Object.fromEntries([...ids].map((id) => [id, { ...table[id], ...test[id] }]));
}

/** Ids of the targets of all pools, those that are switched off too. */
export function idsOf(generation: Generation): ReadonlySet<string> {
  return new Set(targetsOf(generation).map(({ id }) => id));
}

/** Puts targets into the state that a test begins with; an id that nobody has changes nothing. */
export function applyStates(generation: Generation, states: TargetStates): void {
  const { ledger } = generation.proxy;
  const entries = new Map(targetsOf(generation).map(({ id, live }) => [id, live]));
  for (const [id, { down = false, coolingDown = 0, inflight = 0 }] of Object.entries(states)) {
    const entry = entries.get(id);
    if (entry === undefined) continue;
    if (coolingDown > 0) ledger.down(id, "test", "cooling down", coolingDown * 1_000);
    // Last, because a reporter has one word: down for good is more than down for a time.
    if (down !== false) ledger.down(id, "test", down === true ? "down" : down);
    for (let i = 0; i < inflight; i++) ledger.started(entry);
  }
}

function targetsOf({ registry }: Generation): readonly PoolTarget[] {
  // Pools hold nothing else.
  return registry.pools().flatMap(({ snapshot }) => [...snapshot.all, ...snapshot.disabled] as PoolTarget[]);
}
