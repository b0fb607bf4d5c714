import assert from "node:assert/strict";
import type { Exchange } from "../contract/exchange.ts";
import type { Selector } from "../contract/services.ts";
import type { Target } from "../contract/target.ts";
import { fakeExchange, fakeOutcome, type FakeTarget } from "./fakes.ts";

/** One pick as core asks for it; fails when it is not one of the list. */
export function pick<T extends Target>(selector: Selector, targets: readonly T[], x: Exchange = fakeExchange()): T {
  const picked = selector.pick(targets, x);
  assert.ok(picked, `picked nothing from ${targets.length} targets`);
  assert.ok(targets.includes(picked as T), `picked ${picked.id}, which is no target of the list`);
  return picked as T;
}

/** Attempts one after the other, each ended well before the next begins. */
export function picks<T extends Target>(selector: Selector, targets: readonly T[], count: number): T[] {
  const x = fakeExchange();
  return Array.from({ length: count }, () => {
    const picked = pick(selector, targets, x);
    selector.attemptStart?.(picked, x);
    selector.attemptEnd?.(picked, fakeOutcome(), x);
    return picked;
  });
}

/** Attempts that begin and do not end while it looks on; how many each target got. The counters are set back after. */
export function hold(selector: Selector, targets: readonly FakeTarget[], count: number): Map<string, number> {
  const x = fakeExchange();
  const held = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const picked = pick(selector, targets, x);
    selector.attemptStart?.(picked, x);
    picked.live.inflight += 1;
    held.set(picked.id, (held.get(picked.id) ?? 0) + 1);
  }
  for (const target of targets) target.live.inflight -= held.get(target.id) ?? 0;
  return held;
}
