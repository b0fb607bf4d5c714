import {
  type Exchange,
  type Pool,
  type Selector,
  type SelectorService,
  type Target,
  viewTarget,
} from "../../core/index.ts";
import type { Leaf, Owners } from "./_alias-candidates.ts";
import { scorePlan } from "./_alias-scores.ts";
import { type Group, isLeaf, type Plan } from "./_alias-tree.ts";

interface LiveBranch {
  readonly plan: LivePlan;
  readonly weight: number;
}

interface LiveGroup extends Omit<Group, "selector" | "members"> {
  readonly selector: Selector;
  readonly members: readonly (Leaf | LiveBranch)[];
}

interface LivePlan {
  readonly alias: string;
  readonly groups: readonly LiveGroup[];
}

/** A group of which some targets are in the list. */
export interface Stage {
  readonly alias: string;
  /** As in `group 1 of 2 (primary)`; empty for an only group. */
  readonly title: string;
  readonly selector: Selector;
  /** What the selector picks from: faces of the list, and scaled ones that stand for an alias. */
  readonly seen: readonly Target[];
  /** Where an alias begins and ends in `seen`, and its own stages. */
  readonly branches: readonly { readonly from: number; readonly to: number; readonly stages: readonly Stage[] }[];
  /** The stages of the alias that a scaled face stands for. */
  readonly behind: ReadonlyMap<Target, readonly Stage[]>;
}

/**
 * Makes one selector out of those of a plan: of the first group with targets in the list, its selector picks; where it
 * picks one of another alias, that alias's selector has the last word. In a group an alias stands for the targets of
 * its own first group, together with the weight that it has there. A group whose selector wants none is passed over.
 */
export function createPlanSelector(plan: Plan, owners: Owners): SelectorService {
  return {
    get name() {
      return [...new Set(namesOf(plan))].join(", ");
    },
    create(pool, route) {
      const selectors = new Map<Leaf, readonly Selector[]>();
      const all: Selector[] = [];
      const live = enliven(plan, { pool, route, above: [], selectors, all });
      const stages = createStages(live, owners);
      const selectorsOf = (target: Target): readonly Selector[] => {
        const leaf = owners.get(target);
        return (leaf && selectors.get(leaf)) ?? [];
      };
      return {
        pick: (targets, x) => pickFrom(stages(targets), x),
        update(snapshot) {
          for (const selector of all) selector.update?.(snapshot);
        },
        attemptStart(target, x) {
          for (const selector of selectorsOf(target)) selector.attemptStart?.(target, x);
        },
        attemptEnd(target, outcome, x) {
          for (const selector of selectorsOf(target)) selector.attemptEnd?.(target, outcome, x);
        },
        explain: (targets, x) => scorePlan(stages(targets), targets, x),
      };
    },
  };
}

function namesOf({ groups }: Plan): string[] {
  return groups.flatMap(({ selector, members }) => [
    selector.value.name ?? "unnamed",
    ...members.flatMap((member) => (isLeaf(member) ? [] : namesOf(member.plan))),
  ]);
}

interface Making {
  readonly pool: Pool;
  readonly route: string;
  /** The selectors on the way, the outermost first. */
  readonly above: readonly Selector[];
  readonly selectors: Map<Leaf, readonly Selector[]>;
  readonly all: Selector[];
}

/** Makes the selector of each group, under a name of its own: no alias has # or > in its name. */
function enliven({ alias, groups }: Plan, making: Making): LivePlan {
  const live = groups.map(({ name, selector: { value: service }, members }, i): LiveGroup => {
    const route = i === 0 ? making.route : `${making.route}#${i + 1}`;
    const selector = service.create(making.pool, route);
    const above = [...making.above, selector];
    making.all.push(selector);
    return {
      name,
      selector,
      members: members.map((member) => {
        if (!isLeaf(member)) {
          const plan = enliven(member.plan, { ...making, route: `${route}>${member.plan.alias}`, above });
          return { plan, weight: member.weight };
        }
        making.selectors.set(member, above);
        return member;
      }),
    };
  });
  return { alias, groups: live };
}

/** What is worked out of a list is kept for as long as the list is. */
function createStages(plan: LivePlan, owners: Owners): (targets: readonly Target[]) => readonly Stage[] {
  const kept = new WeakMap<readonly Target[], readonly Stage[]>();
  let last: readonly Target[] | undefined;
  let lastStages: readonly Stage[] = [];

  function build(targets: readonly Target[]): readonly Stage[] {
    const byLeaf = new Map<Leaf, Target[]>();
    for (const target of targets) {
      const leaf = owners.get(target);
      if (leaf === undefined) continue;
      const faces = byLeaf.get(leaf);
      if (faces === undefined) byLeaf.set(leaf, [target]);
      else faces.push(target);
    }
    return toStages(plan, byLeaf);
  }

  return (targets) => {
    if (targets === last) return lastStages;
    // Retries make other lists, and so do targets that are full, which come and go: the whole one is found again.
    let stages = kept.get(targets);
    if (stages === undefined) kept.set(targets, (stages = build(targets)));
    last = targets;
    lastStages = stages;
    return stages;
  };
}

function toStages({ alias, groups }: LivePlan, byLeaf: ReadonlyMap<Leaf, readonly Target[]>): readonly Stage[] {
  return groups.flatMap((group, i) => {
    const { selector, name } = group;
    const title =
      groups.length === 1 ? "" : `group ${i + 1} of ${groups.length}${name === undefined ? "" : ` (${name})`}`;
    const seen = lookAt(group, byLeaf);
    return seen.seen.length === 0 ? [] : [{ alias, title, selector, ...seen }];
  });
}

function lookAt(
  { members }: LiveGroup,
  byLeaf: ReadonlyMap<Leaf, readonly Target[]>,
): Pick<Stage, "seen" | "branches" | "behind"> {
  const seen: Target[] = [];
  const branches: Stage["branches"][number][] = [];
  const behind = new Map<Target, readonly Stage[]>();
  for (const member of members) {
    if (!("plan" in member)) {
      for (const face of byLeaf.get(member) ?? []) seen.push(face);
      continue;
    }
    const stages = toStages(member.plan, byLeaf);
    const [first] = stages;
    if (first === undefined) continue;
    const from = seen.length;
    for (const face of scale(first.seen, member.weight)) {
      seen.push(face);
      behind.set(face, stages);
    }
    branches.push({ from, to: seen.length, stages });
  }
  return { seen: Object.freeze(seen), branches, behind };
}

/** Faces that together weigh as much as the alias that they stand for. */
function scale(faces: readonly Target[], weight: number): Target[] {
  const total = faces.reduce((sum, face) => sum + face.weight, 0);
  return faces.map((face) => viewTarget(face, { weight: total > 0 ? (face.weight / total) * weight : 0 }));
}

function pickFrom(stages: readonly Stage[], x: Exchange): Target | undefined {
  for (const { selector, seen, behind } of stages) {
    const picked = selector.pick(seen, x);
    if (picked === undefined) continue;
    const inner = behind.get(picked);
    const found = inner === undefined ? picked : pickFrom(inner, x);
    if (found !== undefined) return found;
  }
  return undefined;
}
