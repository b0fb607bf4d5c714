import type { RetryClass } from "../contract/route.ts";
import type { Target } from "../contract/target.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { PoolTarget } from "../targets/target.ts";
import { toUpstream } from "../wire/upstream-request.ts";
import { Attempt } from "./attempt.ts";
import { takeFirstPiece } from "./body.ts";
import type { ActiveExchange } from "./exchange.ts";
import { routeOf, step } from "./pipeline.ts";
import { fail } from "./respond.ts";

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH"]);

/** Selects a target and tries it. */
export function nextAttempt(x: ActiveExchange): void {
  if (x.peeked || x.body !== undefined || !x.hasBody || x.expectContinue) return select(x);
  x.peeked = true;
  takeFirstPiece(x, select);
}

function select(x: ActiveExchange): void {
  let target: Target | undefined;
  try {
    target = pick(x);
  } catch (error) {
    return fail(x, selectorError(x, error));
  }
  if (target === undefined) return fail(x, noTargets(x));
  x.target = target;
  x.attempt += 1;
  x.upstream = toUpstream(x, target as PoolTarget);
  step(x, x.generation.phases.upstreamRequest, send);
}

/** The target the route's selector wants; undefined when none is left. */
export function pick(x: ActiveExchange): Target | undefined {
  const route = routeOf(x);
  const candidates = untried(x, route.candidates());
  if (candidates.length === 0) return undefined;
  const target = route.selector.pick(candidates, x);
  if (target !== undefined && !(target instanceof PoolTarget)) {
    throw new TypeError(`selector ${route.selectorName} picked something that is not one of its targets`);
  }
  return target;
}

function untried(x: ActiveExchange, candidates: readonly Target[]): readonly Target[] {
  if (x.tried.length === 0) return candidates;
  return candidates.filter((candidate) => !x.tried.some((target) => target.id === candidate.id));
}

function send(x: ActiveExchange): void {
  new Attempt(x, x.target as PoolTarget).send();
}

/** Tries another target if the rules allow it; otherwise the client is told of `error`. */
export function retryOrFail(x: ActiveExchange, kind: RetryClass, error: ProxyError, asked = false): void {
  if (x.ended) return;
  if (!mayRetry(x, kind, asked)) return fail(x, error);
  x.tried = [...x.tried, x.target as Target];
  const { proxy } = x.generation;
  proxy.retrying += 1;
  const delay = Math.random() * Math.min(250, 25 * 2 ** (x.attempt - 1));
  setTimeout(() => {
    proxy.retrying -= 1;
    if (!x.ended) nextAttempt(x);
  }, delay);
}

/** The rule of the route; `asked`: a plugin wants it, so the failure class and the method are its business. */
export function mayRetry(x: ActiveExchange, kind: RetryClass, asked = false): boolean {
  const { retry } = routeOf(x);
  if (x.committed || x.bodyStarted || x.gone || x.attempt >= retry.attempts) return false;
  if (!asked && kind !== "status" && !retry.on.has(kind)) return false;
  // A failed connect sent nothing; after that the upstream may have acted on the request.
  if (!asked && kind !== "connect" && kind !== "status" && !retry.nonIdempotent && !idempotent.has(x.method)) return false;
  if (!x.generation.proxy.mayRetry()) return false;
  const current = x.target?.id;
  return untried(x, routeOf(x).candidates()).some((target) => target.id !== current);
}

function noTargets(x: ActiveExchange): ProxyError {
  const text = x.model === undefined ? "No healthy services available." : `No healthy services available for model '${x.model}'.`;
  return new ProxyError("no_targets", text, { phase: "select" });
}

function selectorError(x: ActiveExchange, error: unknown): ProxyError {
  if (isProxyError(error)) return error;
  const plugin = routeOf(x).selectorName;
  return new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase: "select", cause: error });
}
