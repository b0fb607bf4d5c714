import type { Score } from "../contract/services.ts";
import type { Target } from "../contract/target.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { PoolRoute } from "../generation/routes.ts";
import { PoolTarget } from "../targets/target.ts";
import type { CandidateExplanation } from "./explanation.ts";

/**
 * Every target of the route's pool: kept, with what the selector says of it, or dropped, with the reason. One that the
 * route asks for two models is there twice.
 */
export function candidatesOf(x: ActiveExchange, route: PoolRoute): CandidateExplanation[] {
  const { all, disabled } = route.pool.snapshot;
  const available = route.candidates();
  const { kept, why } = narrowed(x, available);
  const scores = route.selector.explain?.(kept, x) ?? [];
  const possible = route.possible();
  const ids = new Set(possible.map((target) => target.id));
  return [
    ...possible.map((target) => {
      const reason = whyDown(route, target) || whyLeftOut(target, available, why);
      return reason === "" ? explainKept(target, kept, scores) : dropped(target, reason);
    }),
    ...all
      .filter((target) => !ids.has(target.id))
      .map((target) => dropped(target, route.why?.(target) ?? `not a candidate of route ${route.name}`)),
    ...disabled.map((target) => dropped(target, "switched off in the config")),
  ];
}

interface Narrowed {
  readonly kept: readonly Target[];
  /** By whom each of the others was dropped. */
  readonly why: ReadonlyMap<Target, string>;
}

/** What plugins leave of the candidates. */
function narrowed(x: ActiveExchange, available: readonly Target[]): Narrowed {
  const why = new Map<Target, string>();
  let before = available;
  const kept = x.site.phases.candidates?.(x, available, (plugin, left) => {
    for (const target of before) if (indexOfFace(left, target) === -1) why.set(target, `dropped by plugin ${plugin}`);
    before = left;
  });
  return { kept: kept ?? available, why };
}

function whyLeftOut(target: Target, available: readonly Target[], why: Narrowed["why"]): string {
  const candidate = available[indexOfFace(available, target)];
  return candidate === undefined ? "its weight is 0" : (why.get(candidate) ?? "");
}

function explainKept(target: Target, kept: readonly Target[], scores: readonly Score[]): CandidateExplanation {
  const index = indexOfFace(kept, target);
  // Scores come in the order of the list; one that does not is found by its id.
  const score = scores[index]?.id === target.id ? scores[index] : scores.find(({ id }) => id === target.id);
  const reason = [score?.note, fullness(target)].filter(Boolean).join("; ");
  return { ...common(target), kept: true, reason, ...(score !== undefined && { score: score.score }) };
}

/** The same object, or where a route makes its views anew, one that asks for the same. */
function indexOfFace(kept: readonly Target[], target: Target): number {
  const index = kept.indexOf(target);
  return index === -1 ? kept.findIndex(({ id, model }) => id === target.id && model === target.model) : index;
}

function dropped(target: Target, reason: string): CandidateExplanation {
  return { ...common(target), kept: false, reason };
}

function common(target: Target): Pick<CandidateExplanation, "id" | "url" | "model"> {
  const { id, origin, basePath, model } = target;
  return { id, url: origin + basePath, ...(model !== undefined && { model }) };
}

function whyDown(route: PoolRoute, target: Target): string {
  return route.pool
    .verdicts(target.id)
    .map(({ reporter, reason, until }) => {
      const left = Math.ceil((until - Date.now()) / 1000);
      return `down by ${reporter}: ${reason}${Number.isFinite(left) ? `, for ${left} s more` : ""}`;
    })
    .join("; ");
}

function fullness(target: Target): string {
  if (!(target instanceof PoolTarget) || target.live.inflight < target.maxConcurrency) return "";
  return `passed over: ${target.live.inflight} under way, ${target.maxConcurrency} at most`;
}
