import type { Target } from "../../core/index.ts";

/** What a selector learned of each target, apart for each model it is asked for there. */
export interface Measures<T> {
  of(target: Target): T;
  /**
   * In the order of the list; the same array for as long as it is asked for the same list. `passing`: a list made for
   * one pick, as that of a retry, which must not take the place of the one that is kept.
   */
  align(targets: readonly Target[], passing?: boolean): readonly T[];
  /** Forgets what is known of targets that are not among these. */
  forgetOthers(all: readonly Target[]): void;
}

/** Makes measures over a map that may outlive them, by `keep`. */
export function createMeasures<T>(known: Map<string, T>, create: () => T): Measures<T> {
  // By face: making a key of strings for each attempt would cost more than the rest.
  const byTarget = new WeakMap<Target, T>();
  let list: readonly Target[] | undefined;
  let aligned: readonly T[] = [];

  function of(target: Target): T {
    let measure = byTarget.get(target);
    if (measure !== undefined) return measure;
    const key = toKey(target);
    measure = known.get(key);
    if (measure === undefined) known.set(key, (measure = create()));
    byTarget.set(target, measure);
    return measure;
  }

  return {
    of,
    align(targets, passing = false) {
      if (targets === list) return aligned;
      const measures = targets.map(of);
      if (passing) return measures;
      list = targets;
      aligned = measures;
      return measures;
    },
    forgetOthers(all) {
      const ids = new Set(all.map((target) => target.id));
      for (const key of known.keys()) if (!ids.has(toId(key))) known.delete(key);
    },
  };
}

/** Ids have no spaces in them. */
function toKey({ id, model }: Target): string {
  return model === undefined ? id : `${id} ${model}`;
}

function toId(key: string): string {
  const end = key.indexOf(" ");
  return end === -1 ? key : key.slice(0, end);
}
