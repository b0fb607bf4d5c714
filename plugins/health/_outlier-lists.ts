import type { Target } from "../../core/index.ts";

export interface ListRules {
  keeps(target: Target, now: number): boolean;
  /** When the next of the answers may be another one by itself. */
  changesAt(now: number): number;
  /** Another number after each other change of the answers. */
  version(): number;
}

/** Narrows lists of targets, and gives the same list for the same one until something changes. */
export interface Lists {
  /** Without those that are not kept; the list itself when all are, and frozen otherwise. */
  narrow(targets: readonly Target[], now: number): readonly Target[];
}

interface Known {
  readonly version: number;
  readonly until: number;
  readonly list: readonly Target[];
}

export function createLists({ keeps, changesAt, version }: ListRules): Lists {
  const known = new WeakMap<readonly Target[], Known>();
  return {
    narrow(targets, now) {
      const last = known.get(targets);
      if (last !== undefined && last.version === version() && now < last.until) return last.list;
      const kept = targets.filter((target) => keeps(target, now));
      const list = kept.length === targets.length ? targets : sameOr(last?.list, kept);
      known.set(targets, { version: version(), until: changesAt(now), list });
      return list;
    },
  };
}

/** What selectors derived from the list before still holds if nothing came of the change. */
function sameOr(last: readonly Target[] | undefined, list: readonly Target[]): readonly Target[] {
  const isSame = last?.length === list.length && list.every((target, i) => target === last[i]);
  return isSame ? last : Object.freeze(list);
}
