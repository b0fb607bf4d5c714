import type { Target } from "../../core/index.ts";
import { ofList, weightsOf } from "./_of-list.ts";

export interface Imbalance {
  /** Requests under way by which the busiest target is ahead of the idlest. */
  readonly absolute: number;
  /** And how many times as many it has. */
  readonly relative: number;
}

interface Loads {
  readonly live: readonly Target["live"][];
  /** Mean weight by weight: what a request under way counts. */
  readonly scale: Float64Array;
}

/** Makes a check whether the busiest target of a list is ahead of the idlest by both measures, for its weight. */
export function createImbalance({ absolute, relative }: Imbalance): (targets: readonly Target[]) => boolean {
  const loadsOf = ofList(toLoads);
  return (targets) => {
    const { live, scale } = loadsOf(targets);
    let least = Infinity;
    let most = 0;
    for (let i = 0; i < live.length; i++) {
      const { inflight } = live[i]!;
      const load = inflight > 0 ? inflight * scale[i]! : 0;
      if (load < least) least = load;
      if (load > most) most = load;
    }
    return most - least > absolute && most > relative * least;
  };
}

function toLoads(targets: readonly Target[]): Loads {
  const weights = weightsOf(targets);
  const places = [...weights.keys()].filter((i) => weights[i]! > 0);
  const mean = places.reduce((sum, i) => sum + weights[i]!, 0) / places.length;
  return {
    live: places.map((i) => targets[i]!.live),
    scale: Float64Array.from(places, (i) => mean / weights[i]!),
  };
}
