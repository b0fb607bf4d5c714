import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Objects that nothing should hold any more. */
export interface Watched {
  add(object: object): void;
  /** How many are left, at the latest when they had many chances to go; looks no further once it is `most`. */
  left(most: number): Promise<number>;
}

/** Tells what the collector left of the objects it is given; no size of any heap is looked at. */
export function watchCollected(): Watched {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const references: WeakRef<object>[] = [];
  const count = (): number => references.filter((reference) => reference.deref() !== undefined).length;
  return {
    add: (object) => void references.push(new WeakRef(object)),
    async left(most) {
      for (let round = 0; round < 50; round++) {
        // What a reference was asked for is held until the turn is over.
        await new Promise((resolve) => setImmediate(resolve));
        collect();
        if (count() <= most) break;
      }
      return count();
    },
  };
}
