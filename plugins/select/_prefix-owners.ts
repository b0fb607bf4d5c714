import type { Target } from "../../core/index.ts";
import { ofList, weightsOf } from "./_of-list.ts";
import { numberOf, ownersPerBlock, type PrefixStore } from "./_prefix-index.ts";

/** Finds targets of a list among those that saw a block. */
export interface Owners {
  /** Index of the least loaded of those that saw it; -1 when none is in the list. */
  leastLoaded(targets: readonly Target[], entry: number): number;
  /** Writes a value at the index of each that saw it and has none yet. */
  mark(targets: readonly Target[], entry: number, value: number, into: Float64Array): void;
}

interface Places {
  /** The version of the index that they are of. */
  version: number;
  /** Index in the list by number, -1 for none. */
  byNumber: Int32Array;
  readonly weights: Float64Array;
}

export function createOwners(store: PrefixStore): Owners {
  const placesOf = ofList<Places>((targets) => ({
    version: -1,
    byNumber: new Int32Array(0),
    weights: weightsOf(targets),
  }));

  function places(targets: readonly Target[]): Places {
    const known = placesOf(targets);
    if (known.version === store.version) return known;
    const numbers = targets.map((target) => numberOf(store, target));
    known.byNumber = new Int32Array(numbers.reduce((most, number) => Math.max(most, number), 0) + 1).fill(-1);
    for (const [i, number] of numbers.entries()) if (number !== 0) known.byNumber[number] = i;
    known.version = store.version;
    return known;
  }

  return {
    leastLoaded(targets, entry) {
      const { byNumber, weights } = places(targets);
      let found = -1;
      let least = Infinity;
      const from = entry * ownersPerBlock;
      for (let at = from; at < from + ownersPerBlock; at++) {
        const number = store.owners[at]!;
        if (number === 0) break;
        const place = number < byNumber.length ? byNumber[number]! : -1;
        if (place === -1 || !(weights[place]! > 0)) continue;
        const { inflight } = targets[place]!.live;
        const load = ((inflight > 0 ? inflight : 0) + 1) / weights[place]!;
        if (load >= least) continue;
        least = load;
        found = place;
      }
      return found;
    },
    mark(targets, entry, value, into) {
      const { byNumber } = places(targets);
      const from = entry * ownersPerBlock;
      for (let at = from; at < from + ownersPerBlock; at++) {
        const number = store.owners[at]!;
        if (number === 0) break;
        const place = number < byNumber.length ? byNumber[number]! : -1;
        if (place !== -1 && into[place] === 0) into[place] = value;
      }
    },
  };
}
