import { type ModelEntry, ProxyError, type Setup, type Target } from "../../core/index.ts";
import { fill, type Leaf, type Owners } from "./_alias-candidates.ts";
import { createDialectRoutes, type DialectRoutes } from "./_alias-dialects.ts";
import type { AliasEntry, AliasOptions } from "./_alias-options.ts";
import { createPlanSelector } from "./_alias-plan.ts";
import { createProviders } from "./_alias-providers.ts";
import { createPlan, draw, type Drawings, isSimple, leavesOf, type Plan } from "./_alias-tree.ts";

/** What a name leads to. */
export interface Named extends DialectRoutes {
  /** The alias; not the name asked for when that is a synonym, or matched by a star. */
  readonly alias: string;
  readonly plan: Plan;
  readonly leaves: readonly Leaf[];
  /** What the star stands for. */
  readonly star?: string;
  /** What upstreams call the model, where that is the same for all and no face of a target can tell it. */
  readonly model?: string;
}

export interface Names {
  /** Throws `model_disabled` when all targets are switched off in the options, and there is nothing to fall back to. */
  find(name: string): Named | undefined;
  catalog(): readonly ModelEntry[];
  /** By its own name; none with a star. */
  alias(id: string): Named | undefined;
}

interface Making {
  readonly proxy: Setup;
  readonly drawings: Drawings;
  readonly owners: Owners;
}

/** Finds what a name leads to: an alias, a synonym, or an alias with a star, those with more letters first. */
export function createNames(proxy: Setup, aliases: AliasOptions, owners: Owners): Names {
  const making = { proxy, drawings: draw(proxy, aliases), owners };
  const exact = new Map<string, Named>();
  const wildcards: Wildcard[] = [];
  for (const [alias, { synonyms = [] }] of Object.entries(aliases)) {
    if (alias.includes("*")) {
      wildcards.push(createWildcard(making, alias));
      continue;
    }
    const named = createNamed(making, alias, alias);
    for (const name of [alias, ...synonyms]) exact.set(name, named);
  }
  wildcards.sort((a, b) => b.letters - a.letters);

  const find = (name: string): Named | undefined => {
    const found = exact.get(name);
    if (found !== undefined) return found;
    for (const wildcard of wildcards) {
      const named = wildcard.find(name);
      if (named !== undefined) return named;
    }
    return undefined;
  };

  return {
    find(name) {
      const named = find(name);
      if (named === undefined || named.leaves.length > 0 || aliases[named.alias]?.fallback !== undefined) return named;
      const text = `No enabled providers available for model '${name}'.`;
      throw new ProxyError("model_disabled", text, { phase: "resolve" });
    },
    alias: (id) => exact.get(id),
    catalog: () =>
      Object.entries(aliases).flatMap(([alias, entry]) => {
        const named = exact.get(alias);
        return named === undefined || entry.hidden === true || isOff(named) ? [] : toModelEntries(alias, entry);
      }),
  };
}

/** The route of an alias under a name. `star`: what its star stands for; a plan of one group is left to its selector. */
function createNamed({ proxy, drawings, owners }: Making, alias: string, name: string, star?: string): Named {
  const entry: AliasEntry = drawings.get(alias)?.entry ?? {};
  const plan = createPlan(drawings, alias, owners, star);
  const leaves = leavesOf(plan);
  const models = leaves.map(({ model, provider }) => `'${model}'${provider === undefined ? "" : ` of ${provider}`}`);
  const why = `does not serve ${[...new Set(models)].join(" or ")}`;
  const own = entry.groups?.[0]?.selector ?? entry.selector;
  const simple = typeof own === "object" ? proxy.inner("selector", own) : own;
  const routes = createDialectRoutes(proxy, {
    name,
    alias,
    selector: isSimple(plan) ? simple : createPlanSelector(plan, owners),
    pool: entry.pool,
    retry: entry.retry,
    timeouts: entry.timeouts,
    candidates: (pool) => leaves.flatMap((leaf) => leaf.faces(pool)),
    why: () => why,
  });
  return { ...routes, alias, plan, leaves, ...(star !== undefined && { star }) };
}

/** A model of the upstreams that stands in for an alias, with all else that the alias says. */
export function createStandIn(proxy: Setup, owners: Owners, id: string, entry: AliasEntry): Named {
  const [target] = entry.targets ?? [];
  return createNamed({ proxy, owners, drawings: draw(proxy, { [id]: entry }) }, id, target?.model ?? id);
}

interface Wildcard {
  /** Of its name, without the star. */
  readonly letters: number;
  find(name: string): Named | undefined;
}

/**
 * An alias with a star has one route for each name that targets list, and one for those of its targets that take any;
 * what clients ask for makes none. A name that its targets are known not to serve is none of its names.
 */
function createWildcard(making: Making, alias: string): Wildcard {
  const [prefix = "", suffix = ""] = alias.split("*");
  const letters = prefix.length + suffix.length;
  const providers = createProviders(making.proxy.pool(making.drawings.get(alias)?.entry.pool));
  const rest = createNamed(making, alias, alias);
  const open = rest.leaves.filter((leaf) => leaf.open === true);
  const [only, ...more] = new Set(rest.leaves.map(({ model }) => model));
  // By what targets list. Kept when a model goes: it may come back.
  const listed = new Map<string, Named>();

  function findListed(name: string, star: string): Named {
    let named = listed.get(star);
    if (named === undefined) listed.set(star, (named = createNamed(making, alias, name, star)));
    return named;
  }

  /** For what no target lists. */
  function findRest(star: string): Named {
    const alike = only !== undefined && more.length === 0 && open.length === rest.leaves.length;
    return { ...rest, star, ...(alike && { model: fill(only, star) }) };
  }

  return {
    letters,
    find(name) {
      if (name.length <= letters || !name.startsWith(prefix) || !name.endsWith(suffix)) return undefined;
      const star = name.slice(prefix.length, name.length - suffix.length);
      if (open.length === 0) return findRest(star);
      const known = open.map(({ provider }) => providers(provider));
      if (open.some(({ model }, i) => known[i]?.models.has(fill(model, star)))) return findListed(name, star);
      const served = open.length < rest.leaves.length || known.some((provider) => provider?.any === true);
      // Of targets that nobody has found yet it is not known what they will serve.
      return served || known.every((provider) => provider === undefined) ? findRest(star) : undefined;
    },
  };
}

/** When nothing of the alias is switched on. What is down, or not found yet, is not off. */
function isOff({ leaves, route }: Named): boolean {
  const { all, disabled } = route.pool.snapshot;
  const some = (targets: readonly Target[]): boolean => leaves.some((leaf) => leaf.faces(targets).length > 0);
  return leaves.length === 0 || (!some(all) && some(disabled));
}

function toModelEntries(id: string, { description, synonyms = [] }: AliasEntry): readonly ModelEntry[] {
  return [
    { id, ...(description !== undefined && { description }) },
    ...synonyms.map((synonym) => ({ id: synonym, description: `Alias for: ${id}` })),
  ];
}
