import * as v from "valibot";
import { definePlugin, type Exchange, type Plugin, ProxyError, type Route, type Setup } from "../../core/index.ts";
import { isOfProvider } from "./_alias-candidates.ts";
import { createDialectRoutes, type DialectRoutes } from "./_alias-dialects.ts";
import { createProviders } from "./_alias-providers.ts";
import { scanModel, spliceModel } from "./_model-scan.ts";
import { upstreamModelOf } from "./_provider-model.ts";
import { createModelReader } from "./_read-model.ts";

export interface DirectOptions {
  /** The pool of the providers. @default "default" */
  pool?: string;
  /** What the names begin with, before the first slash. @default "direct" */
  prefix?: string;
}

const schema = v.strictObject({
  pool: v.optional(v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string")), "default"),
  prefix: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^[A-Za-z0-9][\w.:@+-]{0,99}$/,
        "Expected 1 to 100 letters, digits and _ . : @ + -, the first a letter or a digit",
      ),
    ),
    "direct",
  ),
} satisfies { [K in keyof Required<DirectOptions>]: v.GenericSchema<DirectOptions[K], DirectOptions[K]> });

/**
 * Lets clients name provider and model themselves, as `direct/provider/model`.
 *
 * For trying a model before it has an alias, and for telling whether a provider or a route is at fault. The provider is a
 * target's label or id; the model, which may have slashes in it, need not be one that it lists. That is why this is a
 * plugin of its own: with it, clients reach every model that the provider's key can pay for, so leave it out where they
 * must not. Asked before `alias` and `model`. 400 `invalid_model` for a name without a provider or a model, 404
 * `model_not_found` for an unknown provider and `model_disabled` for one that is switched off.
 *
 * @example
 * direct({ prefix: "raw" });
 */
export const direct: (options?: DirectOptions) => Plugin = definePlugin({
  name: "direct",
  options: schema,
  setup(proxy, { pool, prefix }) {
    const { inspect, member } = createModelReader(proxy);
    const directModel = proxy.slot<string>("direct-model");
    const upstreamModel = upstreamModelOf(proxy);
    const routeTo = createRoutes(proxy, pool, prefix);
    const start = `${prefix}/`;

    return {
      inspect,
      resolve: {
        before: ["alias", "model"],
        handler(x) {
          const { model: name } = x;
          if (name?.startsWith(start) !== true) return undefined;
          const slash = name.indexOf("/", start.length);
          const provider = name.slice(start.length, slash);
          const model = name.slice(slash + 1);
          if (slash === -1 || provider === "" || model === "") throw wrongForm(name, prefix);
          const route = routeTo(provider, x);
          directModel.set(x, model);
          upstreamModel.set(x, model);
          x.notes?.push(`direct: '${name}' is the model '${model}' of the provider '${provider}'`);
          return route;
        },
      },
      upstreamRequest(x) {
        const { body } = x.upstream;
        const model = directModel.get(x);
        if (model === undefined || body === null || body === "stream") return;
        // Where the name stands is known of the client's bytes only; another plugin may have put others in their place.
        const found = body === x.body ? member(x) : scanModel(body);
        if (found === undefined || found.model === model) return;
        x.upstream.body = spliceModel(body, found.spans, model);
        x.notes?.push(`direct: '${found.model}' in the body becomes '${model}'`);
      },
    };
  },
});

/** One route for each provider that the pool has, made when it is first asked for. */
function createRoutes(proxy: Setup, pool: string, prefix: string): (provider: string, x: Exchange) => Route {
  const providers = createProviders(proxy.pool(pool));
  const routes = new Map<string, DialectRoutes>();

  function create(provider: string): DialectRoutes {
    const created = createDialectRoutes(proxy, {
      name: `${prefix}/${provider}`,
      pool,
      candidates: (targets) => targets.filter((target) => isOfProvider(target, provider)),
      why: () => `is not of the provider '${provider}'`,
    });
    routes.set(provider, created);
    return created;
  }

  return (provider, x) => {
    const known = providers(provider);
    if (known === undefined)
      throw new ProxyError("model_not_found", `Provider '${provider}' not found.`, { phase: "resolve" });
    if (!known.enabled)
      throw new ProxyError("model_disabled", `Provider '${provider}' is disabled.`, { phase: "resolve" });
    return (routes.get(provider) ?? create(provider)).routeFor(x);
  };
}

function wrongForm(name: string, prefix: string): ProxyError {
  const message = `'${name}' names no provider and model; write '${prefix}/<provider>/<model>'.`;
  return new ProxyError("invalid_model", message, { phase: "resolve" });
}
