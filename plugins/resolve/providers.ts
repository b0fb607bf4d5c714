import { definePlugin, type Exchange, type Plugin, type Setup, type Target } from "../../core/index.ts";
import { upstreamModelOf } from "./_provider-model.ts";
import type { ProvidersOptions } from "./_provider-options.ts";
import { createRewrite, needsOf } from "./_provider-request.ts";
import { providersSchema } from "./_provider-schema.ts";
import { createModelReader } from "./_read-model.ts";
import { type ProviderTarget, toTargets } from "./_provider-targets.ts";

export type { Provider, ProviderAuth, ProviderModel, ProvidersOptions } from "./_provider-options.ts";

/**
 * Names the services that sell models, each with its URL, key, models and prices.
 *
 * For hosted APIs, and for servers of one's own that want a key, a header or a field of the body. Each provider is a
 * target whose id and label `provider` are its name; `alias` and `model` route to it, and selectors read its price. One
 * with `auth` gets its own key and nothing else: credentials that the client sent (Authorization, x-api-key, api-key,
 * x-goog-api-key, cookies, a key in the query or in a WebSocket's subprotocols) are removed, and cookies that it sets reach
 * no client. One without gets the
 * client's own; where clients send keys of this proxy, give each provider an `auth`. Each attempt is made anew from the
 * client's request, so that no key goes to another provider with a retry.
 *
 * The path of a request is added to `url` as it is, `/v1` included, unless the URL ends in a version (`/v1`, `/v4`,
 * `/v1beta/openai`): that takes the place of the same, or of `/v1`. With `urls` the request's path tells the API:
 * `/v1/messages` is Anthropic's, `/v1beta/` and `:generateContent` are Gemini's, the rest is OpenAI's. URLs of one host
 * are one target, those of several hosts are one each (`name:openai`), and `alias`, `model` and `direct` choose among
 * those that speak the client's API. Bodies are never translated. `extraBody` needs JSON bodies in memory: 415
 * `unsupported_encoding` for those that are compressed; other bodies pass without it. Not for plain backends, which
 * `staticTargets` is enough for.
 *
 * @example
 * providers({
 *   openai: { url: "https://api.openai.com", auth: { key: env("OPENAI_API_KEY") }, models: ["gpt-4o-mini"] },
 *   anthropic: { urls: { anthropic: "https://api.anthropic.com" }, auth: { type: "x-api-key", key: env("ANTHROPIC_API_KEY") } },
 * });
 */
export const providers: (options?: ProvidersOptions) => Plugin = definePlugin({
  name: "providers",
  options: providersSchema,
  setup(proxy, options) {
    const entries = Object.entries(options).flatMap(([name, provider]) => [...toTargets(name, provider)]);
    provideTargets(proxy, entries);
    const needs = needsOf(options);
    if (needs.body) proxy.needs({ body: "json" });
    const upstreamModel = upstreamModelOf(proxy);
    const rewrites = new Map(
      entries.map((entry) => [entry.spec.id, { entry, rewrite: createRewrite(entry, upstreamModel) }]),
    );
    return {
      ...(needs.model && { inspect: createModelReader(proxy).inspect }),
      upstreamRequest: {
        before: ["alias"],
        handler(x: Exchange) {
          const { target } = x;
          if (target === undefined) return;
          const found = rewrites.get(target.id);
          if (found !== undefined && isOwn(target, found.entry)) found.rewrite(x, target);
        },
      },
      // A session with a provider is that of its key, which is the proxy's: no client may take it on.
      upstreamResponse({ target }, { headers }) {
        if (headers["set-cookie"] === undefined || target === undefined) return;
        const entry = rewrites.get(target.id)?.entry;
        if (entry?.provider.auth !== undefined && isOwn(target, entry)) delete headers["set-cookie"];
      },
    };
  },
});

/** Another source may have a target of this id: no key for its host. */
function isOwn({ origin, labels }: Target, entry: ProviderTarget): boolean {
  return origin === entry.origin && labels["provider"] === entry.name;
}

function provideTargets(proxy: Setup, entries: readonly ProviderTarget[]): void {
  const pools = new Map<string, ProviderTarget["spec"][]>();
  for (const {
    provider: { pool = "default" },
    spec,
  } of entries) {
    pools.set(pool, [...(pools.get(pool) ?? []), spec]);
  }
  for (const [pool, specs] of pools) {
    proxy.provide("discovery", pool === "default" ? "providers" : `providers ${pool}`, {
      pool,
      known: specs,
      start: (sink) => sink.replace(specs),
    });
  }
}
