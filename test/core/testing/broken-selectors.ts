import { defineSelector, type Plugin, type Pool, type Selector, type Target } from "plugboard";

/** A factory of a selector that is not as it should be. */
export function selector(create: (pool: Pool) => Selector): () => Plugin {
  return defineSelector({ name: "broken", create });
}

/** The first target that has a weight, or the first. */
export function weighted(targets: readonly Target[]): Target | undefined {
  return targets.find(({ weight }) => weight > 0) ?? targets[0];
}
