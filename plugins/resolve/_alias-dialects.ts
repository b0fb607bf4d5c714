import type { Exchange, Pool, Route, RouteOptions, Setup, Target } from "../../core/index.ts";
import { type Dialect, dialectOf, speaks } from "./_dialect.ts";

/** A route, or one for each dialect where the targets of its pool tell which they speak. */
export interface DialectRoutes {
  /** Without regard to dialects. */
  readonly route: Route;
  readonly routeFor: (x: Exchange) => Route;
}

/** Makes them, those of dialects when first asked for. */
export function createDialectRoutes(proxy: Setup, options: RouteOptions): DialectRoutes {
  const route = proxy.createRoute(options);
  const dialects = new Map<Dialect, Route>();
  const declares = declaresDialects(route.pool);
  return {
    route,
    routeFor({ path }) {
      if (!declares()) return route;
      const dialect = dialectOf(path);
      let own = dialects.get(dialect);
      if (own === undefined) dialects.set(dialect, (own = proxy.createRoute(narrowed(options, dialect))));
      return own;
    },
  };
}

function narrowed(options: RouteOptions, dialect: Dialect): RouteOptions {
  const { candidates = (targets) => targets, why = () => "" } = options;
  return {
    ...options,
    candidates: (targets) => candidates(targets.filter((target) => speaks(target, dialect))),
    why: (target) => (speaks(target, dialect) ? why(target) : `does not speak ${dialect}`),
  };
}

/** Looked at anew after a change of the pool. */
function declaresDialects(pool: Pool): () => boolean {
  let version = -1;
  let some = false;
  return () => {
    const { snapshot } = pool;
    if (snapshot.version !== version) {
      some = snapshot.all.some(({ meta }: Target) => Array.isArray(meta["dialects"]));
      version = snapshot.version;
    }
    return some;
  };
}
