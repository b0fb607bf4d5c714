import type { Exchange } from "../contract/exchange.ts";
import type { Target } from "../contract/target.ts";
import { realExchange } from "./extra-exchange.ts";
import { allowed } from "./retry-rule.ts";

/** What the `candidates` hooks leave of targets for an exchange; the same array when they leave all. */
export function allowedTargets(x: Exchange, targets: readonly Target[]): readonly Target[] {
  return allowed(realExchange(x), targets);
}
