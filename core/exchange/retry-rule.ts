import type { RetryClass } from "../contract/route.ts";
import type { Target } from "../contract/target.ts";
import { routeOf } from "../generation/routes.ts";
import type { ActiveExchange } from "./exchange.ts";

const idempotent: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "PUT",
  "DELETE",
  "PROPFIND",
  "REPORT",
  "SEARCH",
]);

/** The rule of the route; `asked`: a plugin wants it, so the failure class and the method are its business. */
export function mayRetry(x: ActiveExchange, kind: RetryClass, asked = false): boolean {
  const { retry } = routeOf(x);
  if (x.committed || x.bodyStarted || x.gone || x.attempt >= retry.attempts) return false;
  if (!asked && kind !== "status" && !retry.on.has(kind)) return false;
  // A failed connect sent nothing; after that the upstream may have acted on the request.
  if (!asked && kind !== "connect" && kind !== "status" && !retry.nonIdempotent && !isRepeatable(x)) return false;
  if (!x.retried && !x.generation.proxy.mayRetry()) return false;
  const current = x.target?.id;
  return untried(x, routeOf(x).candidates()).some((target) => target.id !== current);
}

/** By its method, or because the client gave it a key by which the upstream knows it again. */
function isRepeatable(x: ActiveExchange): boolean {
  return idempotent.has(x.method) || x.pairs.includes("idempotency-key");
}

/** Candidates without those that were tried; the same array when none was. */
export function untried(x: ActiveExchange, candidates: readonly Target[]): readonly Target[] {
  if (x.tried.length === 0) return candidates;
  return candidates.filter((candidate) => !x.tried.some((target) => target.id === candidate.id));
}
