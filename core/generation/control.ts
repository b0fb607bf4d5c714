import { type EventHandler, H3, type H3Event, HTTPError } from "h3";
import { toNodeHandler } from "h3/node";
import type { RequestListener } from "node:http";
import type { Reply } from "../contract/exchange.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { type ActiveExchange, exchangeOf } from "../exchange/exchange.ts";
import { fail, sendReply } from "../exchange/respond.ts";
import { catchAll, takeOver } from "../wire/takeover.ts";
import { isPromise, type Phases } from "./compile.ts";
import type { ControlRoute } from "./setup.ts";

/** The h3 app of a site: the plugins' control routes, and behind them everything else, taken over or handled. */
export function createApp(routes: readonly ControlRoute[], phases: Phases, rest?: EventHandler): RequestListener {
  const app = new ControlApp({ silent: true });
  if (rest !== undefined) app.rest = { data: { route: "/**", handler: guarded(rest, phases, "handler", false) } };
  app.answersPost = routes.some((route) => route.method === "POST");
  for (const { method, path, handler, plugin } of routes) app.on(method, path, guarded(handler, phases, plugin));
  return toNodeHandler(app);
}

const everythingElse = { data: { route: "/**", handler: catchAll } };

/** A catch-all behind the routes: as a route of h3's router it costs each request a split path and its parameters. */
class ControlApp extends H3 {
  answersPost = false;
  rest: { data: { route: string; handler: EventHandler } } = everythingElse;

  override "~findRoute"(event: H3Event): ReturnType<H3["~findRoute"]> {
    const { method } = event.req;
    // Most of what passes is POST, and few plugins answer that.
    if (method === "POST" && !this.answersPost) return this.rest;
    return super["~findRoute"](event) ?? this.rest;
  }
}

/** A control route passes the request gate like any other request, so that what guards the proxy guards it too. */
function guarded(handler: EventHandler, phases: Phases, plugin: string, control = true): EventHandler {
  const gate = phases.request;
  return (event) => {
    if (gate === null) return answer(event, handler, plugin);
    const x = xOf(event);
    x.control = control;
    let reply: void | Reply | Promise<void | Reply>;
    try {
      reply = gate(x);
    } catch (error) {
      return takeOver(event, () => fail(x, error as ProxyError));
    }
    if (!isPromise(reply)) return reply === undefined ? answer(event, handler, plugin) : refuse(event, reply);
    return reply.then(
      (late) => (late === undefined ? answer(event, handler, plugin) : refuse(event, late)),
      (error: unknown) => takeOver(event, () => fail(x, error as ProxyError)),
    );
  };
}

function xOf(event: H3Event): ActiveExchange {
  return exchangeOf(event.runtime?.node?.req as object);
}

function refuse(event: H3Event, reply: Reply): Promise<never> {
  return takeOver(event, (x) => sendReply(x, reply));
}

async function answer(event: H3Event, handler: EventHandler, plugin: string): Promise<unknown> {
  try {
    return await handler(event);
  } catch (error) {
    if (HTTPError.isError(error)) throw error;
    const shown = isProxyError(error)
      ? error
      : new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, cause: error });
    return takeOver(event, (x) => fail(x, shown));
  }
}
