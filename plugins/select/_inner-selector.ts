import * as v from "valibot";
import { type Exchange, isPlugin, type Plugin, type Score, type Selector, type Target } from "../../core/index.ts";

export const innerSchema: v.GenericSchema<Plugin> = v.custom<Plugin>(
  isPlugin,
  "Expected a selector such as leastConnections()",
);

/** Puts in the inner selector where none is given. Core finds plugins in what a factory was called with, so there. */
export function withInner<T extends { inner?: Plugin }>(options: T, otherwise: () => Plugin): T {
  // Anything but an object is for the schema to refuse.
  if (typeof options !== "object" || options === null || options.inner !== undefined) return options;
  return { ...options, inner: otherwise() };
}

/** What a selector passes on to the one inside it. */
export function passedOn(inner: Selector): Required<Pick<Selector, "update" | "attemptStart" | "attemptEnd">> {
  return {
    update: (snapshot) => inner.update?.(snapshot),
    attemptStart: (target, x) => inner.attemptStart?.(target, x),
    attemptEnd: (target, outcome, x) => inner.attemptEnd?.(target, outcome, x),
  };
}

/** What the inner selector says, with the reason why it is asked in front. */
export function explainBy(inner: Selector, targets: readonly Target[], x: Exchange, why: string): readonly Score[] {
  const scores: readonly Score[] = inner.explain?.(targets, x) ?? targets.map(({ id }) => ({ id, score: 0 }));
  return scores.map(({ id, score, note }) => ({ id, score, note: note === undefined ? why : `${why}; ${note}` }));
}
