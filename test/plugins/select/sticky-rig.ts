import { type Exchange, type Outcome, type Plugin, type Selector, type Target } from "plugboard";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { sticky, type StickyOptions } from "plugboard/plugins/select/sticky";
import { fakeExchange, fakeOutcome, fakePool, type FakePool, fakeTargets } from "plugboard/testing";
import { loadPlugins, seededState } from "../../../core/testing/plugin.ts";

/** A sticky selector in front of so many targets, which goes round among them with new sessions. */
export async function fresh(
  count: number,
  options: StickyOptions = {},
  inner: Plugin = roundRobin(),
  state = seededState(),
): Promise<{ targets: readonly Target[]; pool: FakePool; selector: Selector }> {
  const targets = fakeTargets(count);
  const pool = fakePool(targets);
  const { registry } = await loadPlugins([sticky("header:x-session-id", inner, options)], state);
  const selector = registry.root.services.all("selector").get("sticky")?.create(pool, "route");
  return { targets, pool, selector: selector as Selector };
}

export function by(name: string): Exchange {
  return fakeExchange({ headers: { "x-session-id": name } });
}

/** An attempt for the session ended there. */
export function end(
  selector: Selector,
  target: Target | undefined,
  name: string,
  outcome: Partial<Outcome> = {},
): void {
  selector.attemptEnd?.(target as Target, fakeOutcome(outcome), by(name));
}
