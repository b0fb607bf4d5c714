import type { Target } from "../../core/index.ts";

/**
 * Makes a function that works something out of a list once, and knows it for as long as anybody holds the list: that of
 * one pick, as for a retry, does not take the place of the one that stays.
 */
export function ofList<T>(derive: (targets: readonly Target[]) => T): (targets: readonly Target[]) => T {
  const known = new WeakMap<readonly Target[], T>();
  return (targets) => {
    let derived = known.get(targets);
    if (derived === undefined) known.set(targets, (derived = derive(targets)));
    return derived;
  };
}

/** The weights; all alike when none has one. */
export function weightsOf(targets: readonly Target[]): Float64Array {
  const weights = Float64Array.from(targets, ({ weight }) => weight);
  return weights.some((weight) => weight > 0) ? weights : weights.fill(1);
}
