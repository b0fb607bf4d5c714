import type { Outcome, Plugin, Target } from "plugboard";
import { faceOf, lowest, selector } from "./broken-selectors.ts";

/** How a selector learns; each mistake of the peers is another of these. */
export interface Habits {
  readonly keyOf?: (target: Target) => unknown;
  /** Whether an attempt says how fast its target is. */
  readonly counts?: (outcome: Outcome) => boolean;
  readonly sampleOf?: (outcome: Outcome) => number;
  /** The samples with one more. */
  readonly add?: (samples: readonly number[], sample: number) => readonly number[];
  /** What is made of the samples of a target. */
  readonly mean?: (samples: readonly number[]) => number;
  /** What a target counts as that has no samples, given what the others have. */
  readonly cold?: (known: readonly number[]) => number;
  /** The least that are counted as under way. */
  readonly floor?: number;
  readonly kept?: boolean;
}

const average = (samples: readonly number[]): number => samples.reduce((a, b) => a + b, 0) / samples.length;
const median = (known: readonly number[]): number => known.toSorted((a, b) => a - b)[known.length >> 1] ?? 1;

/** Picks the shortest of `time to the head * (attempts under way + 1)`, by the last samples, and keeps them. */
export function learner(habits: Habits = {}): () => Plugin {
  const { keyOf = faceOf, add = (samples, sample) => [...samples.slice(-9), sample], mean = average } = habits;
  const { counts = ({ kind, status }) => kind === "ok" && status < 400, sampleOf = ({ ttfb }) => ttfb + 0.1 } = habits;
  const { cold = median, floor = 0, kept = true } = habits;
  return selector((_pool, { keep }) => {
    const create = () => new Map<unknown, readonly number[]>();
    const samples = kept ? keep("samples", create) : create();
    const busy = new Map<unknown, number>();
    return {
      pick(targets) {
        const known = targets.flatMap((target) => mean(samples.get(keyOf(target)) ?? [])).filter((value) => value > 0);
        const unknown = cold(known);
        const timeOf = (target: Target) => {
          const own = samples.get(keyOf(target));
          return own === undefined ? unknown : mean(own);
        };
        return lowest(targets, (target) => (timeOf(target) * ((busy.get(keyOf(target)) ?? 0) + 1)) / target.weight);
      },
      update({ all }) {
        const there = new Set(all.map(({ id }) => id));
        for (const key of samples.keys()) {
          if (typeof key === "string" && !there.has(key.split(" ")[0] ?? "")) samples.delete(key);
        }
      },
      attemptStart: (target) => void busy.set(keyOf(target), (busy.get(keyOf(target)) ?? 0) + 1),
      attemptEnd(target, outcome) {
        const key = keyOf(target);
        busy.set(key, Math.max(floor, (busy.get(key) ?? 0) - 1));
        if (counts(outcome)) samples.set(key, add(samples.get(key) ?? [], sampleOf(outcome)));
      },
    };
  });
}
