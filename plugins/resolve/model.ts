import * as v from "valibot";
import {
  definePlugin,
  type Exchange,
  type Plugin,
  ProxyError,
  type Route,
  type Setup,
  type Target,
} from "../../core/index.ts";
import { createModelReader } from "./_read-model.ts";

export interface ModelOptions {
  /** The pool whose targets serve the models. @default "default" */
  pool?: string;
  /** Name of the selector. @default the first in the config */
  selector?: string;
  /** Status for a model that no target serves: it does not exist, or it is not there at the moment. @default 404 */
  unknown?: 404 | 503;
}

const text = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));

const schema = v.strictObject({
  pool: v.optional(text, "default"),
  selector: v.optional(text),
  unknown: v.optional(v.picklist([404, 503], "Expected 404 or 503"), 404),
} satisfies {
  [K in keyof Required<ModelOptions>]: v.GenericSchema<ModelOptions[K], ModelOptions[K]>;
});

/**
 * Routes a request to the targets that serve the model its JSON body names.
 *
 * A target serves the models it lists, by exact name; one that lists none serves any. A request without a model goes to
 * the whole pool. For clients that know the names the targets use; `alias` gives models names of their own, and is asked
 * first. Only JSON bodies of POST, PUT and PATCH are looked into: 400 `invalid_json`, `invalid_model` or
 * `ambiguous_model` when they leave the model in doubt, 415 `unsupported_encoding` when they are compressed.
 * A pool without any target is a 503, whatever `unknown` says.
 *
 * @example
 * model({ unknown: 503 });
 */
export const model: (options?: ModelOptions) => Plugin = definePlugin({
  name: "model",
  options: schema,
  setup(proxy, options) {
    const { inspect } = createModelReader(proxy);
    const pool = proxy.pool(options.pool);
    const whole = proxy.createRoute({
      name: "default",
      pool: options.pool,
      selector: options.selector,
    });
    const routeFor = createModelRoutes(proxy, options);

    return {
      inspect,
      resolve: {
        after: ["alias"],
        handler(x) {
          if (x.model === undefined) {
            x.notes?.push("model: the request names none, so the whole pool serves it");
            return whole;
          }
          const route = routeFor(x);
          // What an empty pool would serve is not known.
          if (route !== undefined || (options.unknown === 404 && pool.snapshot.all.length > 0)) return route;
          throw new ProxyError("no_targets", `No healthy services available for model '${x.model}'`);
        },
      },
    };
  },
});

/** Finds the route of a model: one for each that targets list, and one for all that only targets without a list serve. */
function createModelRoutes(proxy: Setup, { pool, selector }: ModelOptions): (x: Exchange) => Route | undefined {
  const any = proxy.createRoute({
    name: "model:*",
    pool,
    selector,
    candidates: (targets) => targets.filter(servesAny),
    why: () => "serves the models it lists, and not this one",
  });
  // By the names that targets list, never by those that clients ask for. Kept when a model goes: it may come back.
  const routes = new Map<string, Route>();
  let listed = new Set<string>();
  let anyServed = false;
  proxy.pool(pool).onChange(({ all }) => {
    listed = new Set(all.flatMap((target) => target.models));
    anyServed = all.some(servesAny);
  });

  function create(name: string): Route {
    const candidates = (targets: readonly Target[]): readonly Target[] =>
      targets.filter((target) => servesAny(target) || target.models.includes(name));
    const why = (): string => `does not list the model '${name}'`;
    const route = proxy.createRoute({ name: `model:${name}`, pool, selector, candidates, why });
    routes.set(name, route);
    return route;
  }

  return ({ model: name = "", notes }) => {
    if (listed.has(name)) {
      notes?.push(`model: targets list '${name}'`);
      return routes.get(name) ?? create(name);
    }
    notes?.push(`model: no target lists '${name}'${anyServed ? ", so those that list none serve it" : ""}`);
    return anyServed ? any : undefined;
  };
}

function servesAny(target: Target): boolean {
  return target.models.length === 0;
}
