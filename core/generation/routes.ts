import type { RetryOptions, RetryPolicy, Route, RouteOptions, Timeouts } from "../contract/route.ts";
import type { Selector, SelectorService } from "../contract/services.ts";
import type { Snapshot, Target } from "../contract/target.ts";
import type { TargetPool } from "../targets/pool.ts";

/** What routes say when nobody says otherwise. */
export interface RouteDefaults {
  readonly retry: RetryPolicy;
  readonly timeouts: Timeouts;
}

const builtIn: RouteDefaults = {
  retry: { attempts: 3, on: new Set(["connect", "reset"]), statuses: new Set(), nonIdempotent: false },
  timeouts: { connect: 3_000, headers: 300_000, idle: 300_000, total: 0 },
};

export function routeDefaults(retry: RetryOptions | undefined, timeouts: Partial<Timeouts> | undefined): RouteDefaults {
  return { retry: toPolicy(retry, builtIn.retry), timeouts: { ...builtIn.timeouts, ...timeouts } };
}

function toPolicy(options: RetryOptions | undefined, base: RetryPolicy): RetryPolicy {
  if (options === undefined) return base;
  return {
    attempts: options.attempts ?? base.attempts,
    on: options.on === undefined ? base.on : new Set(options.on),
    statuses: options.statuses === undefined ? base.statuses : new Set(options.statuses),
    nonIdempotent: options.nonIdempotent ?? base.nonIdempotent,
  };
}

const none: readonly Target[] = Object.freeze([]);

/** A route and what it keeps of the newest snapshot: its candidates, worked out once per change. */
export class PoolRoute {
  readonly name: string;
  readonly alias: string | undefined;
  readonly pool: TargetPool;
  readonly retry: RetryPolicy;
  readonly timeouts: Timeouts;
  /** Known after linking. */
  selectorName = "";
  readonly why: ((target: Target) => string) | undefined;
  #narrow: ((targets: readonly Target[]) => readonly Target[]) | undefined;
  #selector: Selector | undefined;
  #version = -1;
  #candidates: readonly Target[] = none;

  constructor(options: RouteOptions, pool: TargetPool, defaults: RouteDefaults) {
    this.name = options.name;
    this.alias = options.alias;
    this.pool = pool;
    this.retry = toPolicy(options.retry, defaults.retry);
    this.timeouts = { ...defaults.timeouts, ...options.timeouts };
    this.why = options.why;
    this.#narrow = options.candidates;
  }

  get selector(): Selector {
    return this.#selector as Selector;
  }

  link(service: SelectorService, name: string): void {
    this.selectorName = name;
    this.#selector = service.create(this.pool, this.name);
  }

  /** Available targets of this route; the same frozen array until the pool changes. */
  candidates(): readonly Target[] {
    const { snapshot } = this.pool;
    if (snapshot.version !== this.#version) this.#refresh(snapshot);
    return this.#candidates;
  }

  /** All targets the route could use were they available. */
  possible(): readonly Target[] {
    return this.narrow(this.pool.snapshot.all);
  }

  /** Those of the list that are this route's. */
  narrow(targets: readonly Target[]): readonly Target[] {
    return this.#narrow === undefined ? targets : this.#narrow(targets);
  }

  #refresh(snapshot: Snapshot): void {
    const { available } = snapshot;
    this.#candidates = Object.freeze(weighted(this.narrow(available)));
    this.#selector?.update?.(snapshot);
    this.#version = snapshot.version;
  }
}

/** A target of weight 0 takes nothing, not even a retry, as long as another has a weight. */
function weighted(targets: readonly Target[]): readonly Target[] {
  const some = targets.filter((target) => target.weight > 0);
  return some.length === 0 ? [...targets] : some;
}

/** Routes come only from createRoute, so each is a PoolRoute. */
export function toRoute(route: PoolRoute): Route {
  return route as unknown as Route;
}

/** Whether core made it. */
export function isRoute(value: unknown): value is Route {
  return value instanceof PoolRoute;
}

/** The route of an exchange as core made it. */
export function routeOf(x: { readonly route: Route | undefined }): PoolRoute {
  return x.route as unknown as PoolRoute;
}
