import * as v from "valibot";
import { defineSelector, type Plugin, type Score, type Selector, type Target } from "../../core/index.ts";
import { randomSource, clockSource } from "./_chance-and-time.ts";
import { innerSchema, passedOn } from "./_inner-selector.ts";
import { createMeasures } from "./_measures.ts";
import { ofList, weightsOf } from "./_of-list.ts";

export interface ExploreOptions {
  /** A number in [0, 1) for each pick. @default the proxy's */
  random?: () => number;
  /** A clock in milliseconds. @default performance.now */
  now?: () => number;
}

interface Options extends ExploreOptions {
  readonly rate: number;
  readonly inner: Plugin;
}

const share = "Expected a number from 0 to 1";

const entries = {
  rate: v.pipe(v.number(share), v.minValue(0, share), v.maxValue(1, share)),
  inner: innerSchema,
  random: v.optional(randomSource),
  now: v.optional(clockSource),
} satisfies Record<keyof Options, unknown>;

const schema: v.GenericSchema<Options> = v.strictObject(entries);

/** When the last attempt to a target began; `-Infinity` for never. */
interface Sampled {
  at: number;
}

const define = defineSelector({
  name: "explore",
  options: schema,
  create(pool, { rate, inner: given, random: chance, now = () => performance.now() }, tools): Selector {
    const inner = tools.inner(given);
    const passed = passedOn(inner);
    const random = chance ?? tools.random;
    // By pool: pruning for one must not forget the targets of another.
    const known = tools.keep(`sampled ${pool.name}`, () => new Map<string, Sampled>());
    const measures = createMeasures<Sampled>(known, () => ({ at: -Infinity }));
    const samplesOf = ofList((targets) => targets.map(measures.of));
    const weights = ofList(weightsOf);
    const stalest = (targets: readonly Target[]): number => findStalest(samplesOf(targets), weights(targets));

    return {
      ...passed,
      pick(targets, x) {
        // Who comes again after a failure has waited enough.
        if (x.tried.length > 0 || random() >= rate) return inner.pick(targets, x);
        return targets[stalest(targets)];
      },
      update(snapshot) {
        measures.forgetOthers(snapshot.all);
        passed.update(snapshot);
      },
      attemptStart(target, x) {
        measures.of(target).at = now();
        passed.attemptStart(target, x);
      },
      explain(targets, x) {
        const samples = samplesOf(targets);
        const next = x.tried.length > 0 || rate === 0 ? -1 : stalest(targets);
        const time = now();
        const scores = inner.explain?.(targets, x) ?? targets.map(({ id }): Score => ({ id, score: 0 }));
        return scores.map(({ id, score, note }, i) => {
          const explored = i === next && `explored next, ${toPercent(rate)} of the time`;
          const parts = [note, toAge(samples[i] as Sampled, time), explored];
          return { id, score, note: parts.filter((part) => typeof part === "string").join("; ") };
        });
      },
    };
  },
});

/**
 * Tries a target that was not tried for the longest time, now and then.
 *
 * For selectors that learn from answers, such as `latency` and `throughput`: a target that was slow once gets no more
 * requests, and so is never seen to be fast again. With probability `rate`, of 0 to 1, one that was never tried is
 * picked, else the one whose last attempt began first; otherwise `inner` decides, and always for a retry. That is
 * epsilon-greedy (Sutton and Barto, "Reinforcement Learning", 2.2), with the stalest instead of a random target as Plexus
 * has it, whose default rate is 0.05. Not where sending to a worse target is an error, as with `session` and `priority`.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }),
 *     explore(0.05, latency()),
 *   ],
 * });
 */
export const explore: (rate: number, inner: Plugin, options?: ExploreOptions) => Plugin = (rate, inner, options) =>
  define({ ...options, rate, inner });

/** Index of the one with a weight that was sampled first, of equals the first in the list. */
function findStalest(samples: readonly Sampled[], weights: Float64Array): number {
  let found = -1;
  let first = Infinity;
  for (let i = 0; i < samples.length; i++) {
    const { at } = samples[i] as Sampled;
    if (at < first && (weights[i] as number) > 0) {
      first = at;
      found = i;
    }
  }
  return found;
}

function toAge({ at }: Sampled, time: number): string {
  return at === -Infinity ? "never tried" : `last tried ${((time - at) / 1000).toFixed(1)} s ago`;
}

function toPercent(rate: number): string {
  return `${Number((rate * 100).toPrecision(3))} %`;
}
