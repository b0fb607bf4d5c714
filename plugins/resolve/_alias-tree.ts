import type { Plugin, SelectorService, Setup } from "../../core/index.ts";
import { createLeaf, fill, type Leaf, type Owners } from "./_alias-candidates.ts";
import { addFields } from "./_alias-fields.ts";
import { type AliasEntry, type AliasOptions, type AliasTarget, groupsOf } from "./_alias-options.ts";
import type { BodyFields } from "./_body-edit.ts";

/** An alias among the targets of another. */
export interface Branch {
  readonly plan: Plan;
  readonly weight: number;
}

export interface Group {
  readonly name: string | undefined;
  readonly selector: { readonly value: SelectorService };
  readonly members: readonly (Leaf | Branch)[];
}

/** An alias with all that is behind it. */
export interface Plan {
  readonly alias: string;
  readonly groups: readonly Group[];
}

/** The options of an alias, with the selectors of its groups. */
export interface Drawing {
  readonly entry: AliasEntry;
  readonly groups: readonly (Omit<Group, "members"> & { readonly targets: readonly AliasTarget[] })[];
}

export type Drawings = ReadonlyMap<string, Drawing>;

interface Place {
  readonly path: readonly string[];
  readonly fields: BodyFields | undefined;
  /** An alias on the way has the weight 0. */
  readonly idle: boolean;
}

const top: Place = { path: [], fields: undefined, idle: false };

export function draw(proxy: Setup, aliases: AliasOptions): Drawings {
  const selectorOf = (selector: string | Plugin | undefined): Group["selector"] =>
    typeof selector === "object" ? { value: proxy.inner("selector", selector) } : proxy.use("selector", selector);
  return new Map(
    Object.entries(aliases).map(([id, entry]) => {
      const groups = groupsOf(entry).map(({ name, targets, selector }) => ({
        name,
        targets,
        selector: selectorOf(selector ?? entry.selector),
      }));
      return [id, { entry, groups }];
    }),
  );
}

/**
 * Makes the plan of an alias, down to the models. `star`: what the star of its name stands for; without it the targets
 * with a star are open. There is no circle in the drawings.
 */
export function createPlan(drawings: Drawings, id: string, owners: Owners, star?: string, place: Place = top): Plan {
  const { entry, groups = [] } = drawings.get(id) ?? { entry: {} };
  const path = [...place.path, id];
  const fields = addFields(place.fields, entry);

  function toMember({ model, alias, provider, weight = 1 }: AliasTarget): Leaf | Branch {
    if (alias !== undefined) {
      const idle = place.idle || weight === 0;
      return { plan: createPlan(drawings, alias, owners, undefined, { path, fields, idle }), weight };
    }
    const open = star === undefined && model.includes("*");
    const name = star === undefined ? model : fill(model, star);
    return createLeaf({ path, model: name, open, provider, weight: place.idle ? 0 : weight, fields }, owners);
  }

  return {
    alias: id,
    groups: groups.map(({ name, selector, targets }) => ({
      name,
      selector,
      members: targets.filter(({ enabled }) => enabled !== false).map(toMember),
    })),
  };
}

/** In the order of the groups, those of an alias at its place. */
export function leavesOf({ groups }: Plan): Leaf[] {
  return groups.flatMap(({ members }) =>
    members.flatMap((member) => (isLeaf(member) ? [member] : leavesOf(member.plan))),
  );
}

export function isLeaf(member: Leaf | Branch): member is Leaf {
  return "faces" in member;
}

/** One group of models: a selector of the config will do for it, as it is. */
export function isSimple({ groups }: Plan): boolean {
  return groups.length === 1 && groups.every(({ members }) => members.every(isLeaf));
}
