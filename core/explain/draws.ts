import type { ExplainRequest } from "../contract/proxy.ts";
import { pick } from "../exchange/attempts.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { Generation } from "../generation/generation.ts";
import { routeOf } from "../generation/routes.ts";
import type { Explanation } from "./explanation.ts";
import { rehearse } from "./rehearsal.ts";

/** As if each upstream answered alike. */
const answered = {
  kind: "ok",
  status: 200,
  sent: true,
  ttfb: 100,
  duration: 1_000,
  bytesIn: 0,
  bytesOut: 0,
  error: undefined,
} as const;

/**
 * Where the same request goes when it is sent many times, one after the other: how often each target is the first to be
 * tried. Nothing is sent and no counter of a target moves; the selectors hear of each attempt as if it had gone well.
 */
export async function drawTargets(
  generation: Generation,
  request: ExplainRequest,
  draws: number,
  decide: (x: ActiveExchange) => Promise<unknown>,
): Promise<NonNullable<Explanation["distribution"]>> {
  const counts = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    const x = rehearse(generation, request);
    if ((await decide(x)) !== undefined) break;
    const target = pick(x);
    if (target === undefined) break;
    counts.set(target.id, (counts.get(target.id) ?? 0) + 1);
    const { selector } = routeOf(x);
    x.target = target;
    selector.attemptStart?.(target, x);
    selector.attemptEnd?.(target, answered, x);
  }
  return Object.fromEntries([...counts].toSorted((a, b) => b[1] - a[1]));
}
