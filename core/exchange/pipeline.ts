import type { Reply } from "../contract/exchange.ts";
import type { Route } from "../contract/route.ts";
import type { Awaitable } from "../contract/services.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { isPromise } from "../generation/compile.ts";
import type { PoolRoute } from "../generation/routes.ts";
import { nextAttempt } from "./attempts.ts";
import { readBody } from "./body.ts";
import type { ActiveExchange } from "./exchange.ts";
import { fail, sendReply } from "./respond.ts";

/*
 * The phases of a request, each handing over to the next. Plain calls as long as hooks answer at once; a promise only
 * where a hook returned one.
 */

type Next<T> = (x: ActiveExchange, value: T) => void;

/** Runs one compiled phase and goes on with what it said. */
export function step<T>(x: ActiveExchange, phase: ((x: ActiveExchange) => Awaitable<T>) | null, next: Next<T | undefined>): void {
  if (phase === null) return next(x, undefined);
  let value: Awaitable<T>;
  try {
    value = phase(x);
  } catch (error) {
    return fail(x, toProxyError(error));
  }
  if (!isPromise(value)) return next(x, value);
  value.then(
    (late) => {
      if (!x.ended) next(x, late as T);
    },
    (error: unknown) => fail(x, toProxyError(error)),
  );
}

function toProxyError(error: unknown): ProxyError {
  return isProxyError(error) ? error : new ProxyError("internal_error", "The proxy failed.", { cause: error });
}

export function begin(x: ActiveExchange): void {
  step(x, x.generation.phases.request, afterRequest);
}

function afterRequest(x: ActiveExchange, reply: Reply | void): void {
  if (reply !== undefined) return sendReply(x, reply);
  const limit = x.generation.bodyLimit(x);
  if (limit < 0) return inspect(x);
  readBody(x, limit, inspect);
}

function inspect(x: ActiveExchange): void {
  step(x, x.generation.phases.inspect, afterInspect);
}

function afterInspect(x: ActiveExchange, reply: Reply | void): void {
  if (reply !== undefined) return sendReply(x, reply);
  const { phases } = x.generation;
  if (phases.resolve === null) return afterResolve(x, x.generation.defaultRoute);
  step(x, phases.resolve, afterResolve);
}

function afterResolve(x: ActiveExchange, found: Route | Reply | void): void {
  if (found === undefined) return fail(x, notFound(x));
  if (isReply(found)) return sendReply(x, found);
  x.route = found;
  step(x, x.generation.phases.admit, afterAdmit);
}

function afterAdmit(x: ActiveExchange, reply: Reply | void): void {
  if (reply !== undefined) return sendReply(x, reply);
  nextAttempt(x);
}

function isReply(value: Route | Reply): value is Reply {
  return "status" in value;
}

export function notFound(x: ActiveExchange): ProxyError {
  if (x.model === undefined) return new ProxyError("route_not_found", `Nothing here answers ${x.method} ${x.path}.`, { phase: "resolve" });
  return new ProxyError("model_not_found", `Model '${x.model}' not found.`, { phase: "resolve" });
}

/** The route as core made it. */
export function routeOf(x: ActiveExchange): PoolRoute {
  return x.route as unknown as PoolRoute;
}
