import * as v from "valibot";
import {
  defineSelector,
  type Exchange,
  type Plugin,
  type Score,
  type Selector,
  type Target,
} from "../../core/index.ts";
import { innerSchema } from "./_inner-selector.ts";

export interface FallbackOptions {
  /** Selectors in the order in which they are asked. */
  selectors: readonly Plugin[];
}

const entries = {
  selectors: v.pipe(v.array(innerSchema), v.minLength(1, "Expected at least one selector"), v.readonly()),
} satisfies Record<keyof FallbackOptions, unknown>;

const schema: v.GenericSchema<FallbackOptions> = v.strictObject(entries);

const define = defineSelector({
  name: "fallback",
  options: schema,
  create(_pool, { selectors }, tools) {
    const inner = selectors.map((plugin) => tools.inner(plugin));
    return {
      pick(targets, x) {
        for (const selector of inner) {
          const target = selector.pick(targets, x);
          if (target !== undefined) return target;
        }
        return undefined;
      },
      update: (snapshot) => inner.forEach((selector) => selector.update?.(snapshot)),
      attemptStart: (target, x) => inner.forEach((selector) => selector.attemptStart?.(target, x)),
      attemptEnd: (target, outcome, x) => inner.forEach((selector) => selector.attemptEnd?.(target, outcome, x)),
      explain: (targets, x) => explainFirst(selectors, inner, targets, x),
    };
  },
});

/**
 * Asks one selector after the other until one picks.
 *
 * For a selector that may find nobody good enough, such as `score` with a filter: what it leaves goes to the next. All of
 * them see every attempt, so that the next knows the targets when its turn comes. Not for spares that stand by while
 * the main target works (`inOrder`): a target that is down is in the list of no selector, and most selectors always pick.
 * Which one will pick is known only by picking, so that `explain` shows the scores of the first.
 *
 * @example
 * const idle = score([[usage(), 1]], { filter: (target) => target.live.inflight < 8 });
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), fallback(idle, leastConnections())] });
 */
export const fallback: (...selectors: Plugin[]) => Plugin = (...selectors) => define({ selectors });

function explainFirst(
  plugins: readonly Plugin[],
  inner: readonly Selector[],
  targets: readonly Target[],
  x: Exchange,
): readonly Score[] {
  const names = plugins.map(({ name }) => name);
  for (const [index, selector] of inner.entries()) {
    const scores = selector.explain?.(targets, x);
    if (scores === undefined) continue;
    return scores.map(({ id, score, note }) => ({
      id,
      score,
      note: `${names[index]}, asked ${index === 0 ? "first" : `as number ${index + 1}`}: ${note ?? "no note"}`,
    }));
  }
  return targets.map(({ id }) => ({ id, score: 0, note: `${names.join(", ")} do not explain themselves` }));
}
