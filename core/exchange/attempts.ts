import type { Exchange } from "../contract/exchange.ts";
import type { Target } from "../contract/target.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { routeOf } from "../generation/routes.ts";
import { hasRoom, PoolTarget } from "../targets/target.ts";
import { toUpstream } from "../wire/upstream-request.ts";
import { Attempt } from "./attempt.ts";
import { takeFirstPiece, tooLarge } from "./body.ts";
import type { ActiveExchange } from "./exchange.ts";
import { realExchange } from "./extra-exchange.ts";
import { type HedgeOptions, hedgeWith } from "./hedge.ts";
import { noTargets } from "./no-targets.ts";
import { allowed, mayRetry, type RetryReason, untried } from "./retry-rule.ts";
import { recoverOrFail, startAnew } from "./recover.ts";
import { fail } from "./respond.ts";
import { carryOn, endRival } from "./rivals.ts";
import { step } from "./step.ts";

/** Selects a target and tries it. */
export function nextAttempt(x: ActiveExchange): void {
  const { body: limit } = x.generation.proxy.limits;
  if (x.contentLength > limit) return fail(x, tooLarge(limit));
  if (x.peeked || x.body !== undefined || !x.hasBody || x.expectContinue) return select(x);
  x.peeked = true;
  takeFirstPiece(x, select);
}

function select(x: ActiveExchange): void {
  if (x.routed !== x.route) {
    if (x.routed !== undefined) startAnew(x);
    x.routed = x.route;
  }
  let target: Target | undefined;
  try {
    target = pick(x);
    if (target === undefined) return recoverOrFail(x, noTargets(x), nextAttempt);
  } catch (error) {
    return fail(x, selectorError(x, error));
  }
  x.target = target;
  x.attempt += 1;
  x.upstream = toUpstream(x, target as PoolTarget);
  step(x, x.site.phases.upstreamRequest, send);
}

/** The target the route's selector wants, but for the one given; undefined when none is left. */
export function pick(x: ActiveExchange, but?: Target): Target | undefined {
  const route = routeOf(x);
  let candidates = untried(x, allowed(x, route.candidates()));
  if (but !== undefined) candidates = Object.freeze(candidates.filter(({ id }) => id !== but.id));
  while (candidates.length > 0) {
    const target = route.selector.pick(candidates, x);
    if (target === undefined) return undefined;
    if (!(target instanceof PoolTarget)) {
      throw new TypeError(`selector ${route.selectorName} picked something that is not one of its targets`);
    }
    if (hasRoom(target)) return target;
    x.full = true;
    candidates = Object.freeze(candidates.filter((candidate) => hasRoom(candidate)));
  }
  return undefined;
}

/**
 * Ends the attempt under way, or in preparation, through no fault of its target, and tries again if the rules allow it.
 * One that has ended already is being retried, or has its answer.
 */
export function abandonAttempt(given: Exchange, error: ProxyError): void {
  const x = realExchange(given);
  if (x.ended || x.notes !== undefined) return;
  if (x.attempt === 0) return fail(x, error);
  if (x.rival !== undefined) endRival(x);
  if (x.started === x.attempt) return x.current?.yield(error);
  x.abandoned = error;
}

function send(x: ActiveExchange): void {
  const { abandoned } = x;
  if (abandoned !== undefined) {
    x.abandoned = undefined;
    return retryOrFail(x, "abandoned", abandoned);
  }
  new Attempt(x, x.target as PoolTarget, retryOrFail).send();
}

/** Tries another target if the rules allow it; otherwise the client is told of `error`. */
function retryOrFail(x: ActiveExchange, reason: RetryReason, error: ProxyError, asked = false): void {
  if (x.ended) return;
  if (x.rival !== undefined) return carryOn(x, x.rival);
  try {
    if (!mayRetry(x, reason, asked)) return recoverOrFail(x, error, nextAttempt);
  } catch (thrown) {
    return fail(x, selectorError(x, thrown));
  }
  if (reason !== "abandoned") x.tried = [...x.tried, x.target as Target];
  if (reason !== "connect") spendBudget(x);
  const delay = Math.random() * Math.min(250, 25 * 2 ** (x.attempt - 1));
  setTimeout(() => {
    if (!x.over) nextAttempt(x);
  }, delay);
}

/** Asks one more target for the same while the first has not answered. */
export function hedge(x: Exchange): boolean {
  return hedgeWith(x, hedging);
}

const hedging: HedgeOptions = {
  pick: (x) => pick(x, x.target) as PoolTarget | undefined,
  begin(x) {
    x.attempt += 1;
    spendBudget(x);
  },
  onFailure: retryOrFail,
};

/** Once per exchange. */
function spendBudget(x: ActiveExchange): void {
  if (!x.retried) x.generation.proxy.countRetry();
  x.retried = true;
}

function selectorError(x: ActiveExchange, error: unknown): ProxyError {
  if (isProxyError(error)) return error;
  const plugin = routeOf(x).selectorName;
  return new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase: "select", cause: error });
}
