import * as v from "valibot";
import { defineSelector, type Exchange, type Plugin, type Score, type Target } from "../../core/index.ts";
import { createImbalance, type Imbalance } from "./_imbalance.ts";
import { explainBy, innerSchema, withInner } from "./_inner-selector.ts";
import { createStore, forgetOthers, type PrefixStore } from "./_prefix-index.ts";
import { createPrefixMemory } from "./_prefix-memory.ts";
import { leastConnections } from "./least-connections.ts";

export interface PrefixOptions {
  /** Bytes of the blocks that prompts are compared by. @default 512 */
  block?: number;
  /** Blocks remembered per pool, at 36 to 40 bytes each. @default 100000 */
  max?: number;
  /** The part of a prompt, 0 to 1, that a target must have seen to be preferred. @default 0.5 */
  threshold?: number;
  /**
   * The targets are out of balance, and `inner` picks, when the busiest has more requests under way than the idlest by
   * `absolute` and more than `relative` times as many, both for its weight. @default absolute 32, relative 1.1
   */
  imbalance?: Partial<Imbalance>;
  /** Picks for prompts that no target has seen, and when out of balance. @default leastConnections() */
  inner?: Plugin;
}

interface Options {
  readonly block: number;
  readonly max: number;
  readonly threshold: number;
  readonly imbalance: Imbalance;
  readonly inner: Plugin;
}

const wholeFrom = (least: number, most: number) => {
  const message = `Expected a whole number from ${least} to ${most}`;
  return v.pipe(v.number(), v.integer(message), v.minValue(least, message), v.maxValue(most, message));
};

const share = "Expected a number from 0 to 1";

const imbalance: v.GenericSchema<Partial<Imbalance>, Imbalance> = v.strictObject({
  absolute: v.optional(v.pipe(v.number(), v.minValue(0, "Expected 0 or more")), 32),
  relative: v.optional(v.pipe(v.number(), v.minValue(1, "Expected 1 or more")), 1.1),
} satisfies Record<keyof Imbalance, unknown>);

const entries = {
  block: v.optional(wholeFrom(16, 65_536), 512),
  max: v.optional(wholeFrom(1, 10_000_000), 100_000),
  threshold: v.optional(v.pipe(v.number(), v.minValue(0, share), v.maxValue(1, share)), 0.5),
  imbalance: v.optional(imbalance, {}),
  inner: innerSchema,
} satisfies Record<keyof PrefixOptions, unknown>;

const schema: v.GenericSchema<PrefixOptions, Options> = v.strictObject(entries);

const define = defineSelector({
  name: "prefix",
  options: schema,
  needsBody: () => true,
  create(pool, options, tools) {
    const inner = tools.inner(options.inner);
    const isUneven = createImbalance(options.imbalance);
    const kept = tools.keep(pool.name, (): { store?: PrefixStore } => ({}));
    const store = keptStore(kept, options);
    const memory = createPrefixMemory(store);

    /** Index of the one preferred for its prompt; -1 when `inner` decides. */
    function find(targets: readonly Target[], x: Exchange): number {
      return isUneven(targets) ? -1 : memory.find(targets, x, options.threshold);
    }

    return {
      pick(targets, x) {
        const place = find(targets, x);
        return place === -1 ? inner.pick(targets, x) : targets[place];
      },
      update(snapshot) {
        forgetOthers(store, snapshot.all);
        inner.update?.(snapshot);
      },
      attemptStart(target, x) {
        inner.attemptStart?.(target, x);
        memory.remember(target, x);
      },
      attemptEnd: (target, outcome, x) => inner.attemptEnd?.(target, outcome, x),
      score: memory.parts,
      explain(targets, x) {
        const seen = new Float64Array(targets.length);
        memory.parts(targets, x, seen);
        const place = find(targets, x);
        if (place !== -1) return toScores(targets, seen, place);
        const why = isUneven(targets) ? "out of balance" : `none saw ${toPercent(options.threshold)}`;
        return explainBy(inner, targets, x, why).map(({ id, score, note }, i) => ({
          id,
          score,
          note: `saw ${toPercent(seen[i]!)} of the prompt; ${note}`,
        }));
      },
    };
  },
});

/**
 * Picks the target that saw most of the prompt before.
 *
 * For engines that reuse the work on a shared prefix (vLLM, SGLang): long system prompts, documents, conversations. The
 * prompt is what stands in `tools`, `system`, `instructions`, `messages`, `input` and `prompt`, in this order, byte by
 * byte. It guesses from what it sent, and other proxies' requests it does not see. For short prompts that share nothing
 * it only costs time; for sessions with a name see `session`.
 *
 * Hashes of blocks as in the vLLM production stack's trie, and SGLang's rules of share and balance. A new prompt
 * goes to the inner selector, never to who saw least. What was not used for longest is forgotten, and so is what a
 * target saw that left the pool.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), prefix()] });
 */
export const prefix: (options?: PrefixOptions) => Plugin = (options = {}) =>
  define(withInner(options, leastConnections));

/** Of the same measure, or a new one. */
function keptStore(kept: { store?: PrefixStore }, { max, block }: Options): PrefixStore {
  if (kept.store?.max !== max || kept.store.block !== block) kept.store = createStore(max, block);
  return kept.store;
}

/** The one preferred above all others, which saw as much at most. */
function toScores(targets: readonly Target[], seen: Float64Array, place: number): readonly Score[] {
  return targets.map(({ id, live }, i) => ({
    id,
    score: i === place ? 1 + seen[i]! : seen[i]!,
    note: `saw ${toPercent(seen[i]!)} of the prompt, ${live.inflight} under way`,
  }));
}

function toPercent(part: number): string {
  return `${Number((part * 100).toPrecision(3))} %`;
}
