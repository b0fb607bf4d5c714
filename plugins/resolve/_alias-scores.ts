import type { Exchange, Score, Target } from "../../core/index.ts";
import type { Stage } from "./_alias-plan.ts";

interface Entry extends Score {
  readonly face: Target;
}

/** Those of one group, in the order that its selector sees them. */
type Tier = readonly Entry[];

/**
 * Gives each target the score that its group's selector gives it. With several groups in the list a score says the
 * group too: what is tried first is above all of the next, by whole numbers.
 */
export function scorePlan(stages: readonly Stage[], targets: readonly Target[], x: Exchange): Score[] {
  const tiers = tiersOf(stages, x);
  const found = new Map<Target, Score>();
  for (const [place, tier] of tiers.entries()) {
    for (const { face, id, score, note } of tier) {
      const ranked = tiers.length === 1 ? score : tiers.length - place - 0.5 + Math.atan(score) / Math.PI;
      found.set(face, { id, score: ranked, note });
    }
  }
  return targets.map((target) => found.get(target) ?? { id: target.id, score: 0, note: "of no group" });
}

function tiersOf(stages: readonly Stage[], x: Exchange): Tier[] {
  return stages.flatMap((stage) => {
    const entries: Entry[] = ownScores(stage, x);
    const later: Tier[] = [];
    for (const { from, to, stages: inner } of stage.branches) {
      const [first = [], ...rest] = tiersOf(inner, x);
      const about = `alias '${inner[0]?.alias}'`;
      const best = entries.slice(from, to).map(({ score }) => score);
      entries.splice(from, to - from, ...deal(first, best).map((entry) => withTitle(entry, about)));
      later.push(...rest.map((tier) => tier.map((entry) => withTitle(entry, about))));
    }
    return [entries, ...later].map((tier) => tier.map((entry) => withTitle(entry, stage.title)));
  });
}

function ownScores({ selector, seen }: Stage, x: Exchange): Entry[] {
  const scores = selector.explain?.(seen, x) ?? [];
  return seen.map((face, i) => {
    // Scores come in the order of the list; one that does not is found by its id.
    const { score = 0, note = "" } =
      scores[i]?.id === face.id ? scores[i] : (scores.find(({ id }) => id === face.id) ?? {});
    return { face, id: face.id, score: Number.isFinite(score) ? score : 0, note };
  });
}

/** What the outer selector thinks of an alias's places, dealt out in the order of the alias's own selector. */
function deal(entries: Tier, scores: readonly number[]): Entry[] {
  const sorted = scores.toSorted((a, b) => b - a);
  const order = entries.toSorted((a, b) => b.score - a.score);
  const dealt = new Map(order.map((entry, i) => [entry.face, sorted[i] ?? 0]));
  return entries.map((entry) => ({ ...entry, score: dealt.get(entry.face) ?? 0 }));
}

function withTitle(entry: Entry, title: string): Entry {
  const note = [title, entry.note].filter(Boolean).join(": ");
  return { ...entry, note };
}
