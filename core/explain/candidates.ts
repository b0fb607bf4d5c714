import type { Score } from "../contract/services.ts";
import type { Target } from "../contract/target.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { PoolRoute } from "../generation/routes.ts";
import type { CandidateExplanation } from "./explanation.ts";

/** Every target of the route's pool: kept, with what the selector says of it, or dropped, with the reason. */
export function candidatesOf(x: ActiveExchange, route: PoolRoute): CandidateExplanation[] {
  const possible = new Set(route.possible().map((target) => target.id));
  const kept = route.candidates();
  const used = new Set(kept.map((target) => target.id));
  const scores = new Map<string, Score>((route.selector.explain?.(kept, x) ?? []).map((score) => [score.id, score]));
  return route.pool.snapshot.all.map((target) => {
    const url = target.origin + target.basePath;
    if (!possible.has(target.id))
      return {
        id: target.id,
        url,
        kept: false,
        reason: route.why?.(target) ?? `not a candidate of route ${route.name}`,
      };
    const down = whyDown(route, target);
    if (down !== "") return { id: target.id, url, kept: false, reason: down };
    if (!used.has(target.id)) return { id: target.id, url, kept: false, reason: "its weight is 0" };
    const score = scores.get(target.id);
    return {
      id: target.id,
      url,
      kept: true,
      reason: score?.note ?? "",
      ...(score === undefined ? {} : { score: score.score }),
    };
  });
}

function whyDown(route: PoolRoute, target: Target): string {
  const verdicts = route.pool.verdicts(target.id);
  return verdicts.map(({ reporter, reason }) => `down by ${reporter}: ${reason}`).join("; ");
}
