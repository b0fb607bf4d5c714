import type { Target } from "../../core/index.ts";

/**
 * Who waits for a target's next passed check, by its counters: these belong to one proxy and live as long as the
 * target, so that nothing is shared between proxies and nobody has to be forgotten.
 */
const waiting = new WeakMap<Target["live"], Map<object, () => void>>();

/** Calls back once, when an active check of the target has passed; of one owner the last one. */
export function onNextPass(owner: object, { live }: Target, passed: () => void): void {
  const others = waiting.get(live);
  if (others === undefined) waiting.set(live, new Map([[owner, passed]]));
  else others.set(owner, passed);
}

/** For plugins that ask targets how they are: one has just said that it is well. */
export function tellPass({ live }: Target): void {
  const all = waiting.get(live);
  if (all === undefined) return;
  waiting.delete(live);
  for (const passed of all.values()) passed();
}
