import type { Target } from "../../core/index.ts";

/** Says of each of the cold targets of a list whether it stays. */
type Rule = (cold: readonly Target[]) => readonly boolean[];

/** Narrows a list of targets; the list itself when all stay, else a frozen one that it gives again for the same ones. */
export type Thinner = (targets: readonly Target[], rule: Rule) => readonly Target[];

interface Known {
  readonly version: number;
  /** Where in the list the cold ones are. */
  readonly places: readonly number[];
  readonly cold: readonly Target[];
  /** By the places of those that were left out. */
  readonly lists: Map<string, readonly Target[]>;
}

/** Lists that are kept of one list: a few targets warm up at a time, and of many no two requests leave out the same. */
const mostLists = 64;

/** `version` tells that which targets are cold has changed. */
export function createThinner(isCold: (target: Target) => boolean, version: () => number): Thinner {
  const known = new WeakMap<readonly Target[], Known>();

  function lookAt(targets: readonly Target[]): Known {
    const before = known.get(targets);
    if (before !== undefined && before.version === version()) return before;
    const places = targets.flatMap((target, place) => (isCold(target) ? [place] : []));
    const cold = places.map((place) => targets[place] as Target);
    const found = { version: version(), places, cold, lists: before?.lists ?? new Map<string, readonly Target[]>() };
    known.set(targets, found);
    return found;
  }

  return (targets, rule) => {
    const { places, cold, lists } = lookAt(targets);
    if (cold.length === 0) return targets;
    const stays = rule(cold);
    const out = places.filter((_, i) => stays[i] === false);
    if (out.length === 0) return targets;
    const key = out.join(",");
    let list = lists.get(key);
    if (list === undefined) {
      const without = new Set(out);
      list = Object.freeze(targets.filter((_, place) => !without.has(place)));
      if (lists.size === mostLists) lists.clear();
      lists.set(key, list);
    }
    return list;
  };
}
