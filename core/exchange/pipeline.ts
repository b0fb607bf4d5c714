import type { Reply } from "../contract/exchange.ts";
import type { Route } from "../contract/route.ts";
import { nextAttempt } from "./attempts.ts";
import { ProxyError } from "../errors.ts";
import { isRoute } from "../generation/routes.ts";
import { readBody } from "./body.ts";
import type { ActiveExchange } from "./exchange.ts";
import { notFound } from "./not-found.ts";
import { fail, sendReply } from "./respond.ts";
import { step } from "./step.ts";

/*
 * The phases of a request, each handing over to the next. Plain calls as long as hooks answer at once; a promise only
 * where a hook returned one.
 */

export function begin(x: ActiveExchange): void {
  step(x, x.site.phases.request, afterRequest);
}

function afterRequest(x: ActiveExchange, reply: Reply | void): void {
  if (reply !== undefined) return sendReply(x, reply);
  const limit = x.generation.bodyLimit(x);
  if (limit < 0) return inspect(x);
  readBody(x, limit, inspect);
}

function inspect(x: ActiveExchange): void {
  step(x, x.site.phases.inspect, afterInspect);
}

function afterInspect(x: ActiveExchange, reply: Reply | void): void {
  if (reply !== undefined) return sendReply(x, reply);
  const { phases } = x.site;
  if (phases.resolve === null) return afterResolve(x, x.site.defaultRoute);
  step(x, phases.resolve, afterResolve);
}

function afterResolve(x: ActiveExchange, found: Route | Reply | void): void {
  if (found === undefined) return fail(x, notFound(x));
  if (isReply(found)) return sendReply(x, found);
  if (!isRoute(found)) return fail(x, new ProxyError("plugin_error", "A plugin of the proxy failed.", noRoute));
  x.route = found;
  step(x, x.site.phases.admit, afterAdmit);
}

function afterAdmit(x: ActiveExchange, reply: Reply | void): void {
  if (reply !== undefined) return sendReply(x, reply);
  nextAttempt(x);
}

function isReply(value: Route | Reply): value is Reply {
  return "status" in value;
}

const noRoute = { phase: "resolve", cause: new TypeError("resolve returned a route that createRoute did not make") };
