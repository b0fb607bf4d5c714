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

/** `abandoned`: by a plugin, through no fault of the target. */
export type RetryReason = RetryClass | "abandoned" | "hedge";

/** The rule of the route; `asked`: a plugin wants it, so the failure class and the method are its business. */
export function mayRetry(x: ActiveExchange, reason: RetryReason, asked = false): boolean {
  const { retry } = routeOf(x);
  if (x.committed || x.bodyStarted || x.gone) return false;
  if (x.rival !== undefined) return true; // The other attempt goes on.
  if (!asked && !isForClass(x, reason)) return false;
  // A failed connect gave no upstream any work: repeating it adds none to what clients ask for.
  if (reason !== "connect" && !x.retried && !x.generation.proxy.mayRetry()) return false;
  // A plugin has sent it elsewhere: new attempts, and nothing tried there.
  if (x.route !== x.routed) return allowed(x, routeOf(x).candidates()).length > 0;
  if (x.attempt - x.attemptsBefore >= retry.attempts) return false;
  const left = untried(x, allowed(x, routeOf(x).candidates()));
  const current = x.target?.id;
  return reason === "abandoned" ? left.length > 0 : left.some((target) => target.id !== current);
}

/** What was abandoned, or answered by a status, is tried again whatever the method. */
function isForClass(x: ActiveExchange, reason: RetryReason): boolean {
  const { retry } = routeOf(x);
  if (reason === "abandoned" || reason === "status" || reason === "hedge") return true;
  if (!retry.on.has(reason)) return false;
  // A failed connect sent nothing; after that the upstream may have acted on the request.
  return reason === "connect" || retry.nonIdempotent || isRepeatable(x);
}

/** By its method, or because the client gave it a key by which the upstream knows it again. */
function isRepeatable(x: ActiveExchange): boolean {
  return idempotent.has(x.method) || x.pairs.includes("idempotency-key");
}

/** What plugins leave of the targets; the same array when they leave all. */
export function allowed(x: ActiveExchange, targets: readonly Target[]): readonly Target[] {
  const { candidates } = x.site.phases;
  return candidates === null ? targets : candidates(x, targets);
}

/** Candidates without those that were tried; the same array when none was. */
export function untried(x: ActiveExchange, candidates: readonly Target[]): readonly Target[] {
  if (x.tried.length === 0) return candidates;
  return candidates.filter((candidate) => !x.tried.some((target) => target.id === candidate.id));
}
