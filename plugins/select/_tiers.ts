import * as v from "valibot";
import type { Exchange, Pool, Score, Selector, Target } from "../../core/index.ts";
import { explainBy } from "./_inner-selector.ts";
import { isWeightless } from "./_load-heap.ts";
import { ofList } from "./_of-list.ts";

export interface TierOptions {
  /** Makes a selector for one tier. */
  readonly inner: () => Selector;
  /** Attempts under way, for each unit of weight, from which on a target has no room. */
  readonly maxInflight: number;
  /** The lowest comes first. */
  readonly rankOf: (target: Target) => number;
  /** For explain. */
  readonly nameOf: (rank: number) => string;
}

/** Targets of one rank. */
interface Tier {
  readonly rank: number;
  readonly targets: readonly Target[];
  readonly weightless: boolean;
  /** Index of the target that had room when last looked for. */
  room: number;
}

const aboveZero = "Expected a number of attempts above 0";

export const maxInflightSchema: v.OptionalSchema<v.GenericSchema<number>, undefined> = v.optional(
  v.pipe(
    v.number(aboveZero),
    v.check((value) => value > 0, aboveZero),
  ),
);

export const labelSchema: v.GenericSchema<string> = v.pipe(
  v.string("Expected the name of a label"),
  v.nonEmpty("Expected the name of a label"),
);

/** What a target says under a name in its labels, else in its meta; undefined when in neither. */
export function labelOf({ labels, meta }: Target, name: string): unknown {
  if (Object.hasOwn(labels, name)) return labels[name];
  return Object.hasOwn(meta, name) ? meta[name] : undefined;
}

/**
 * Makes a selector that gives its list tier by tier to inner selectors, the next only when one is full or has none to
 * offer. Each rank has an inner selector of its own: what that derives from its list lasts while tiers take turns.
 */
export function createTiers(pool: Pool, options: TierOptions): Selector {
  const { rankOf, maxInflight } = options;
  const tiersOf = ofList((targets) => toTiers(targets, rankOf));
  const inners = createInners(pool, options);

  function pickFrom(tiers: readonly Tier[], x: Exchange, full: boolean): Target | undefined {
    for (const tier of tiers) {
      if (isFull(tier, maxInflight) !== full) continue;
      const picked = inners.of(tier.rank).pick(tier.targets, x);
      if (picked !== undefined) return picked;
    }
    return undefined;
  }

  return {
    pick(targets, x) {
      const tiers = tiersOf(targets);
      return pickFrom(tiers, x, false) ?? pickFrom(tiers, x, true);
    },
    update: inners.update,
    attemptStart: (target, x) => inners.of(rankOf(target)).attemptStart?.(target, x),
    attemptEnd: (target, outcome, x) => inners.of(rankOf(target)).attemptEnd?.(target, outcome, x),
    explain: (targets, x) => explainTiers(targets, x, tiersOf(targets), inners.of, options),
  };
}

interface Inners extends Required<Pick<Selector, "update">> {
  of(rank: number): Selector;
}

function createInners(pool: Pool, { inner, rankOf }: TierOptions): Inners {
  const byRank = new Map<number, Selector>();
  // The first is made at once, so that one that cannot be made is refused at the start.
  let spare: Selector | undefined = inner();
  return {
    of(rank) {
      let selector = byRank.get(rank);
      if (selector !== undefined) return selector;
      selector = spare ?? inner();
      spare = undefined;
      selector.update?.(pool.snapshot);
      byRank.set(rank, selector);
      return selector;
    },
    update(snapshot) {
      const ranks = new Set(snapshot.all.map(rankOf));
      for (const rank of byRank.keys()) if (!ranks.has(rank)) byRank.delete(rank);
      for (const selector of byRank.values()) selector.update?.(snapshot);
    },
  };
}

function toTiers(targets: readonly Target[], rankOf: (target: Target) => number): readonly Tier[] {
  const weightless = isWeightless(targets);
  const members = new Map<number, Target[]>();
  for (const target of targets) {
    if (!weightless && !(target.weight > 0)) continue;
    const rank = rankOf(target);
    const tier = members.get(rank);
    if (tier === undefined) members.set(rank, [target]);
    else tier.push(target);
  }
  return [...members.keys()]
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((rank) => ({ rank, targets: Object.freeze(members.get(rank) ?? []), weightless, room: 0 }));
}

/** Looks on from where there was room the last time: as long as there is some, it is found at once. */
function isFull(tier: Tier, maxInflight: number): boolean {
  const { targets, weightless } = tier;
  for (let seen = 0; seen < targets.length; seen++) {
    const { live, weight } = targets[tier.room] as Target;
    if (live.inflight < maxInflight * (weightless ? 1 : weight)) return false;
    tier.room = tier.room + 1 < targets.length ? tier.room + 1 : 0;
  }
  return true;
}

/** The tier that is used is scored by its own selector; those that stand by lie below it in the order of their use. */
function explainTiers(
  targets: readonly Target[],
  x: Exchange,
  tiers: readonly Tier[],
  innerOf: Inners["of"],
  { maxInflight, nameOf }: TierOptions,
): Score[] {
  const full = tiers.filter((tier) => isFull(tier, maxInflight));
  const inUse = [...tiers.filter((tier) => !full.includes(tier)), ...full];
  const scores = new Map<Target, Score>();
  let below = 0;
  for (const [place, tier] of inUse.entries()) {
    const state = `${nameOf(tier.rank)}${full.includes(tier) ? ", full" : place > 0 ? ", stands by" : ""}`;
    const inner = explainBy(innerOf(tier.rank), tier.targets, x, state);
    if (place === 0) below = Math.min(0, ...inner.map(({ score }) => score));
    for (const [i, target] of tier.targets.entries()) {
      const told = inner[i] as Score;
      scores.set(target, place === 0 ? told : { ...told, score: below - place });
    }
  }
  const weightless: Omit<Score, "id"> = { score: below - tiers.length, note: "weight 0: passed over" };
  return targets.map((target) => scores.get(target) ?? { id: target.id, ...weightless });
}
