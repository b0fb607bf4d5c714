import * as v from "valibot";
import {
  definePlugin,
  type Discovery,
  type Exchange,
  type Plugin,
  ProxyError,
  type Route,
  type Setup,
  type Snapshot,
  type Target,
  viewTarget,
} from "../../core/index.ts";
import { createDialectRoutes, type DialectRoutes } from "./_alias-dialects.ts";
import { createModelReader } from "./_read-model.ts";

export interface ModelOptions {
  /** The pool whose targets serve the models. @default "default" */
  pool?: string;
  /** Name of the selector. @default the first in the config */
  selector?: string;
  /**
   * Status for a model that no target serves: it does not exist, or it is not there at the moment.
   * @default 404 where the config says all that the pool will ever hold, otherwise 503
   */
  unknown?: 404 | 503;
}

const text = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));

const schema = v.strictObject({
  pool: v.optional(text, "default"),
  selector: v.optional(text),
  unknown: v.optional(v.picklist([404, 503], "Expected 404 or 503")),
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
 * A model that no target serves is a 404 where all targets are written in the config. Where something else finds them
 * it may be there soon, and so it is a 503; `unknown` makes it the one or the other. A pool without any target is a 503
 * in any case.
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
    const whole = createDialectRoutes(proxy, {
      name: "default",
      pool: options.pool,
      selector: options.selector,
    });
    const routeFor = createModelRoutes(proxy, options);
    const discoveries = proxy.useAll("discovery");
    let { unknown } = options;
    proxy.onLink(() => {
      unknown ??= isKnown(discoveries.value.values(), options.pool) ? 404 : 503;
    });

    return {
      inspect,
      resolve: {
        after: ["alias"],
        handler(x) {
          if (x.model === undefined) {
            x.notes?.push("model: the request names none, so the whole pool serves it");
            return whole.routeFor(x);
          }
          const route = routeFor(x);
          // What an empty pool would serve is not known.
          if (route !== undefined || (unknown === 404 && !isEmpty(pool.snapshot))) return route;
          throw new ProxyError("no_targets", `No healthy services available for model '${x.model}'`);
        },
      },
    };
  },
});

/** Finds the route of a model: one for each that targets list, and one for all that only targets without a list serve. */
function createModelRoutes(proxy: Setup, { pool, selector }: ModelOptions): (x: Exchange) => Route | undefined {
  const any = createDialectRoutes(proxy, {
    name: "model:*",
    pool,
    selector,
    candidates: (targets) => targets.filter(servesAny),
    why: () => "serves the models it lists, and not this one",
  });
  // By the names that targets list, never by those that clients ask for. Kept when a model goes: it may come back.
  const routes = new Map<string, DialectRoutes>();
  let listed = new Set<string>();
  let anyServed = false;
  // What is switched off is known by name: the answer is that it is off.
  proxy.pool(pool).onChange(({ all, disabled }) => {
    listed = new Set([...all, ...disabled].flatMap((target) => target.models));
    anyServed = all.some(servesAny);
  });

  function create(name: string): DialectRoutes {
    const face = createFaces(name);
    const candidates = (targets: readonly Target[]): readonly Target[] =>
      targets.filter((target) => servesAny(target) || target.models.includes(name)).map(face);
    const why = (): string => `does not list the model '${name}'`;
    const route = createDialectRoutes(proxy, { name: `model:${name}`, pool, selector, candidates, why });
    routes.set(name, route);
    return route;
  }

  return (x) => {
    const { model: name = "", notes } = x;
    if (listed.has(name)) {
      notes?.push(`model: targets list '${name}'`);
      return (routes.get(name) ?? create(name)).routeFor(x);
    }
    notes?.push(`model: no target lists '${name}'${anyServed ? ", so those that list none serve it" : ""}`);
    return anyServed ? any.routeFor(x) : undefined;
  };
}

/** Faces that tell the model, for selectors that measure each model of a target by itself. */
function createFaces(name: string): (target: Target) => Target {
  const known = new WeakMap<Target, Target>();
  return (target) => {
    let face = known.get(target);
    if (face === undefined) known.set(target, (face = viewTarget(target, { model: name })));
    return face;
  };
}

/** Whether the config says all that will ever be in the pool. */
function isKnown(discoveries: Iterable<Discovery>, pool: string | undefined): boolean {
  return [...discoveries].every((discovery) => (discovery.pool ?? "default") !== pool || discovery.known !== undefined);
}

function isEmpty({ all, disabled }: Snapshot): boolean {
  return all.length === 0 && disabled.length === 0;
}

function servesAny(target: Target): boolean {
  return target.models.length === 0;
}
