import { definePlugin, type HookMap, type Plugin, type Setup } from "../../core/index.ts";
import type { Owners } from "./_alias-candidates.ts";
import { createRewrite } from "./_alias-fields.ts";
import { createFallbacks } from "./_alias-fallback.ts";
import { compareWithKnown } from "./_alias-known.ts";
import { createNames } from "./_alias-names.ts";
import { explainNamed } from "./_alias-notes.ts";
import type { AliasOptions } from "./_alias-options.ts";
import { wrongReferences } from "./_alias-references.ts";
import { aliasSchema } from "./_alias-schema.ts";
import { createPassthrough } from "./_passthrough.ts";
import { upstreamModelOf } from "./_provider-model.ts";
import { createModelReader } from "./_read-model.ts";

export type {
  AliasEntry,
  AliasFallback,
  AliasFallbackModel,
  AliasGroup,
  AliasModelTarget,
  AliasOptions,
  AliasReference,
  AliasTarget,
} from "./_alias-options.ts";

/**
 * Gives models names of their own, each for one or more upstream models.
 *
 * A name in a request's JSON body is looked up as an alias, then as a synonym, then among the aliases with a `*`, those
 * with most other characters first, then as `provider/model` for the targets of the default pool; case counts. Names
 * that are none of these are left to `model`, which is not needed for this; without it they are a 404.
 *
 * An alias may spread over models and providers that call the model differently: the upstream gets its own name, put
 * into the body's bytes in place of the client's; with the alias's `set` and `defaults`, and with nothing else changed.
 * `groups` are tried one after the other. A target that matches twice, for two models, takes part with both weights,
 * but is tried once per request: give one machine two ids to fall back from one of its models to another.
 *
 * `{ alias }` as a target stands for what is first in line there; once it is chosen, that alias's own selectors choose
 * further. Its fields fill in where those of the alias asked for say nothing; its retries and timeouts do not count.
 *
 * A `*` stands for one or more characters, and in the model of a target for the same again. Where the targets list
 * their models, such a name is one of the alias if one of them lists it.
 *
 * `fallback` is where a request goes when the targets of its alias have failed or none can take it, or an answer has one
 * of the statuses `fallbackOn` and no target is left: other aliases, as if the client had asked for them, or models. It
 * is made anew for these, also when some of it may have reached an upstream, which may then be paid for twice; nothing
 * of that is seen by the client, but for who answers. What can be had at once is taken: who would rather wait for the
 * first alias puts `queue` before this plugin. When all fail, the last error is told.
 *
 * The aliases are listed by `models`, but for those with a `*` and those of which all is switched off. Throws at start
 * for a name used twice, an alias that leads or falls back to itself or nowhere, and, where the config tells all targets, for
 * providers and models that no target has. Not for choosing among targets that serve one model by one name: `model`
 * does that without any options.
 *
 * @example
 * alias({
 *   fast: { targets: [{ model: "qwen3-8b", weight: 3 }, { model: "gpt-4o-mini", provider: "openai" }], synonyms: ["quick"] },
 *   smart: { groups: [{ targets: [{ model: "qwen3-32b" }] }, { targets: [{ alias: "fast" }] }], defaults: { temperature: 0 } },
 *   "gpt-*": { targets: [{ model: "openai/gpt-*", provider: "openrouter" }] },
 * });
 */
export const alias: (options?: AliasOptions) => Plugin = definePlugin({
  name: "alias",
  options: aliasSchema,
  setup(proxy, aliases) {
    const wrong = wrongReferences(aliases);
    for (const problem of wrong) proxy.problem(problem);
    checkWhenLinked(proxy, aliases);
    // A circle has no end that a route could be made of.
    return wrong.length > 0 ? undefined : resolveAliases(proxy, aliases);
  },
});

function resolveAliases(proxy: Setup, aliases: AliasOptions): HookMap {
  const { inspect, member } = createModelReader(proxy);
  const owners: Owners = new WeakMap();
  const names = createNames(proxy, aliases, owners);
  const passthrough = createPassthrough(proxy, owners);
  const fallbacks = createFallbacks({ proxy, aliases, names, owners });
  const stars = proxy.slot<string>("alias-star");
  const upstreamModel = upstreamModelOf(proxy);
  proxy.provide("catalog", "alias", { models: names.catalog });

  return {
    ...fallbacks?.hooks,
    inspect,
    resolve(x) {
      if (x.model === undefined) return undefined;
      const named = names.find(x.model);
      if (named !== undefined) {
        if (named.star !== undefined) stars.set(x, named.star);
        if (named.model !== undefined) upstreamModel.set(x, named.model);
        x.notes?.push(...explainNamed(x.model, named), ...(fallbacks?.explain(named.alias) ?? []));
        return named.routeFor(x);
      }
      const passed = passthrough(x.model, x);
      if (passed === undefined) return undefined;
      x.notes?.push(`alias: '${x.model}' is the model '${passed.model}' of a provider`);
      stars.set(x, passed.model);
      upstreamModel.set(x, passed.model);
      return passed.route;
    },
    // What an alias says counts for more than what is said of a provider.
    upstreamRequest: { after: ["providers"], handler: createRewrite({ owners, member, star: stars.get }) },
  };
}

/** Tells of switched-off providers once per proxy, not at each reload or `explain`. */
function checkWhenLinked(proxy: Setup, aliases: AliasOptions): void {
  const discoveries = proxy.useAll("discovery");
  const told = proxy.keep("told", () => ({ warnings: new Set<string>() }));
  proxy.onLink(() => {
    const { problems, warnings } = compareWithKnown(aliases, discoveries.value.values());
    for (const problem of problems) proxy.problem(problem);
    for (const warning of warnings) if (!told.warnings.has(warning)) proxy.log.warn(warning);
    told.warnings = new Set(warnings);
  });
}
