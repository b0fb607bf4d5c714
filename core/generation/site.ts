import type { RequestListener } from "node:http";
import type { ConsolaInstance } from "consola";
import type { EventHandler } from "h3";
import type { Route } from "../contract/route.ts";
import { compile, type Phases } from "./compile.ts";
import { createApp } from "./control.ts";
import type { GateProvider } from "./gates.ts";
import type { RelayProvider } from "./relay-chain.ts";
import type { BodyNeed, Scope } from "./scope.ts";
import type { ControlRoute } from "./setup.ts";

/** What a request meets that came in by one listener and belongs to one of its mounts. All are of this one shape. */
export interface Site {
  /** For people: `main`, `admin /api`. */
  readonly name: string;
  readonly phases: Phases;
  readonly defaultRoute: Route | undefined;
  readonly relays: readonly RelayProvider[];
  readonly gates: readonly GateProvider[];
  readonly body: BodyNeed;
  /** Those it answers, in the order in which they are looked at. */
  readonly controlRoutes: readonly ControlRoute[];
  /** Answers its requests in the place of an upstream. */
  readonly handler: EventHandler | undefined;
  /** The h3 app: control routes, and behind them the pipeline or the handler. */
  readonly app: RequestListener;
  /** Characters that are taken off the path before it is sent on. */
  readonly strip: number;
}

export interface SiteOptions {
  readonly name: string;
  readonly scope: Scope;
  /** Where requests go that nobody resolves; undefined: nowhere, they are not found. */
  readonly defaultRoute: Route | undefined;
  /** Scopes whose word on the route counts, the nearest last; empty: the default route at once. */
  readonly resolvers: readonly Scope[];
  readonly controlRoutes: readonly ControlRoute[];
  readonly handler?: EventHandler | undefined;
  readonly strip?: number;
  readonly log: ConsolaInstance;
}

export function createSite(options: SiteOptions): Site {
  const { name, scope, defaultRoute, resolvers, controlRoutes, handler, strip = 0, log } = options;
  const scopes = scope.chain();
  const proxies = handler === undefined && (defaultRoute !== undefined || resolvers.length > 0);
  const resolver = resolvers.findLast(({ hooks }) => hooks.some(({ phase }) => phase === "resolve"));
  const hooks = scopes.flatMap((one) =>
    one.hooks.filter(({ phase }) => {
      if (phase === "resolve") return one === resolver && proxies;
      return proxies || phase === "request" || phase === "error" || phase === "end";
    }),
  );
  const compiled = compile(hooks, log);
  const phases = proxies ? compiled : { ...compiled, resolve: nothing };
  return {
    name,
    phases,
    defaultRoute,
    relays: scopes.flatMap(({ services }) => services.providers("relay")),
    gates: scopes.flatMap(({ services }) => services.providers("gate")),
    body: proxies ? bodyNeed(scopes) : { any: 0, json: false },
    controlRoutes,
    handler,
    app: createApp(controlRoutes, phases, handler),
    strip,
  };
}

function nothing(): undefined {
  return undefined;
}

function bodyNeed(scopes: readonly Scope[]): BodyNeed {
  return {
    any: Math.max(...scopes.map(({ body }) => body.any)),
    json: scopes.some(({ body }) => body.json),
  };
}
