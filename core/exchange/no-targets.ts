import type { Target, Verdict } from "../contract/target.ts";
import { ProxyError } from "../errors.ts";
import { type PoolRoute, routeOf } from "../generation/routes.ts";
import type { ActiveExchange } from "./exchange.ts";
import { allowed } from "./retry-rule.ts";

/** What is said when no target is left, as exactly as it is known; targets are not named to clients. */
export function noTargets(x: ActiveExchange): ProxyError {
  const route = routeOf(x);
  const phase = "select";
  const forModel = x.model === undefined ? "" : ` for model '${x.model}'`;
  if (x.full) return new ProxyError("overloaded", `All services${forModel} are busy.`, { phase });
  if (route.possible().length === 0 && route.narrow(route.pool.snapshot.disabled).length > 0)
    return new ProxyError("model_disabled", `No enabled providers available${forModel}.`, { phase });
  const left = cooldown(route, allowed(x, route.possible()));
  if (left === undefined) return new ProxyError("no_targets", `No healthy services available${forModel}`, { phase });
  const text = `All services${forModel} are cooling down; the first is back in ${left} s.`;
  return new ProxyError("cooling_down", text, { phase, retryAfter: left });
}

/** Seconds until the first of the targets is back; undefined unless each is out for a known time. */
function cooldown({ pool }: PoolRoute, targets: readonly Target[]): number | undefined {
  const until = targets.map(({ id }) => Math.max(...pool.verdicts(id).map((verdict: Verdict) => verdict.until)));
  const first = Math.min(...until);
  return until.length > 0 && until.every(Number.isFinite)
    ? Math.max(1, Math.ceil((first - Date.now()) / 1000))
    : undefined;
}
