import { definePlugin, type Exchange, type Plugin, type Pool, type Selector, type Setup, type Target } from "plugboard";
import { fakeExchange, fakeOutcome, selectorOf } from "plugboard/testing";

/** A selector, and attempts whose answers tell how many tokens they took. */
export interface Told {
  readonly selector: Selector;
  /** An attempt that has ended; it leaves the counters of the target alone. */
  attempt(target: Target, usage?: unknown): void;
  /** What a plugin that reads answers does. */
  tell(x: Exchange, usage: unknown): void;
}

export async function toldOf(plugin: Plugin, pool: Pool): Promise<Told> {
  let slot: Setup["slot"] | undefined;
  const witness = definePlugin({ name: "witness", setup: (proxy) => void (slot = proxy.slot) });
  const selector = await selectorOf(plugin, pool, [witness()]);
  const tell = (x: Exchange, usage: unknown): void => slot?.("usage").set(x, usage);
  return {
    selector,
    tell,
    attempt(target, usage) {
      const x = fakeExchange();
      selector.attemptStart?.(target, x);
      if (usage !== undefined) tell(x, usage);
      selector.attemptEnd?.(target, fakeOutcome(), x);
    },
  };
}
