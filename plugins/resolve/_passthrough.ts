import type { Route, Setup, Target } from "../../core/index.ts";
import { isOfProvider, serves } from "./_alias-candidates.ts";

interface Passed {
  readonly route: Route;
  /** What follows the provider. */
  readonly model: string;
}

interface Provider {
  readonly models: Set<string>;
  /** One of its targets lists none. */
  any: boolean;
}

/**
 * Resolves `provider/model`, where the provider is a target's label or id and one of its targets serves the model.
 * There is a route for each model that targets list and one for each provider that takes any; what clients ask for
 * makes none.
 */
export function createPassthrough(proxy: Setup): (name: string) => Passed | undefined {
  const routes = new Map<string, Route>();
  let providers = new Map<string, Provider>();
  proxy.pool().onChange(({ all }) => {
    providers = index(all);
  });

  const routeOf = (name: string, candidate: (target: Target) => boolean): Route => {
    let route = routes.get(name);
    if (route === undefined) {
      const candidates = (targets: readonly Target[]): readonly Target[] => targets.filter(candidate);
      route = proxy.createRoute({
        name,
        candidates,
        why: () => `is not of the provider, or does not serve the model`,
      });
      routes.set(name, route);
    }
    return route;
  };

  return (name) => {
    const slash = name.indexOf("/");
    if (slash === -1) return undefined;
    const id = name.slice(0, slash);
    const model = name.slice(slash + 1);
    const provider = providers.get(id);
    if (provider === undefined || model === "") return undefined;
    if (provider.models.has(model)) {
      return {
        model,
        route: routeOf(name, (target) => isOfProvider(target, id) && serves(target, model)),
      };
    }
    if (!provider.any) return undefined;
    // No model is called "": the name cannot be taken by one that is listed.
    return {
      model,
      route: routeOf(`${id}/`, (target) => isOfProvider(target, id) && target.models.length === 0),
    };
  };
}

function index(targets: readonly Target[]): Map<string, Provider> {
  const providers = new Map<string, Provider>();
  for (const target of targets) {
    for (const id of new Set([target.id, target.labels["provider"] ?? target.id])) {
      let provider = providers.get(id);
      if (provider === undefined) providers.set(id, (provider = { models: new Set(), any: false }));
      for (const model of target.models) provider.models.add(model);
      if (target.models.length === 0) provider.any = true;
    }
  }
  return providers;
}
