import type { Outcome, OutcomeKind } from "../contract/exchange.ts";
import type { Selector } from "../contract/services.ts";
import type { ProxyError } from "../errors.ts";
import type { LedgerEntry } from "../targets/ledger.ts";
import type { PoolTarget } from "../targets/target.ts";
import type { ActiveExchange } from "./exchange.ts";

/** A refusal comes fast: it says nothing of how fast answers are. */
export function countHead(live: LedgerEntry, status: number, ttfb: number): void {
  if (status < 400) live.ttfb = live.ttfb === 0 ? ttfb : live.ttfb + (ttfb - live.ttfb) / 8;
}

/** What this side ended is no failure of the target, whatever it was ended for. */
export function countEnd(x: ActiveExchange, live: LedgerEntry, kind: OutcomeKind, error?: ProxyError): void {
  x.generation.proxy.ledger.ended(live);
  if (error?.source !== "upstream" || kind === "local") return;
  live.failures += 1;
  live.lastFailure = Date.now();
}

export interface ToldSelector {
  readonly selector: Selector | undefined;
  readonly name: string;
}

/** Once per attempt. */
export function tellEnd(x: ActiveExchange, target: PoolTarget, outcome: Outcome, told: ToldSelector): void {
  try {
    told.selector?.attemptEnd?.(target, outcome, x);
  } catch (cause) {
    x.generation.log.error(`selector ${told.name} threw in attemptEnd:`, cause);
  }
  x.site.phases.attemptEnd?.(x, target, outcome);
}
