import { type Exchange, ProxyError, type Route, type Setup } from "../../core/index.ts";
import { createLeaf, type Owners } from "./_alias-candidates.ts";
import { createDialectRoutes, type DialectRoutes } from "./_alias-dialects.ts";
import { createProviders } from "./_alias-providers.ts";

interface Passed {
  readonly route: Route;
  /** What follows the provider. */
  readonly model: string;
}

/**
 * Resolves `provider/model`, where the provider is a target's label or id and one of its targets serves the model.
 * There is a route for each model that targets list and one for each provider that takes any; what clients ask for
 * makes none. Throws `model_disabled` for a provider that is switched off.
 */
export function createPassthrough(proxy: Setup, owners: Owners): (name: string, x: Exchange) => Passed | undefined {
  const known = new Map<string, DialectRoutes>();
  const providers = createProviders(proxy.pool());

  const routesOf = (name: string, provider: string, model: string, open: boolean): DialectRoutes => {
    let routes = known.get(name);
    if (routes === undefined) {
      const leaf = createLeaf({ path: [name], model, open, provider }, owners);
      const why = (): string => "is not of the provider, or does not serve the model";
      routes = createDialectRoutes(proxy, { name, candidates: leaf.faces, why });
      known.set(name, routes);
    }
    return routes;
  };

  return (name, x) => {
    const slash = name.indexOf("/");
    if (slash < 1 || slash === name.length - 1) return undefined;
    const id = name.slice(0, slash);
    const model = name.slice(slash + 1);
    const provider = providers(id);
    const listed = provider?.models.has(model) === true;
    if (provider === undefined || (!listed && !provider.any)) return undefined;
    if (!provider.enabled) {
      throw new ProxyError("model_disabled", `Provider '${id}' is disabled.`, { phase: "resolve" });
    }
    // No model is called "": the name cannot be taken by one that is listed.
    const routes = listed ? routesOf(name, id, model, false) : routesOf(`${id}/`, id, "*", true);
    return { model, route: routes.routeFor(x) };
  };
}
