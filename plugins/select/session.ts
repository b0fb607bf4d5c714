import * as v from "valibot";
import { defineSelector, type Plugin, type Score } from "../../core/index.ts";
import { explainBy, innerSchema, passedOn, withInner } from "./_inner-selector.ts";
import { ofList } from "./_of-list.ts";
import { capacities, findHighest, type Ring, scoresOf, toRing } from "./_rendezvous.ts";
import { createKeyReader, keyNeedsBody, keySchema, type SessionKey } from "./_session-key.ts";
import { leastConnections } from "./least-connections.ts";

export interface SessionOptions {
  /**
   * Where a request says which session it belongs to; the first that yields a value counts.
   * @default ["header:x-session-id", "body:prompt_cache_key", "forwarded"]
   */
  key?: SessionKey | readonly SessionKey[];
  /** Picks for requests without a key. @default leastConnections() */
  inner?: Plugin;
  /**
   * How many times its part of the requests under way a target takes before its sessions go to their next choice; 1 or
   * more, false for no bound. @default 1.25
   */
  bound?: number | false;
}

type Options = Required<SessionOptions>;

const ownKeys: readonly SessionKey[] = ["header:x-session-id", "body:prompt_cache_key", "forwarded"];

const atLeastOne = "Expected a number of 1 or more, or false";

const entries = {
  key: v.optional(keySchema, () => ownKeys),
  inner: innerSchema,
  bound: v.optional(
    v.union([v.literal(false), v.pipe(v.number(atLeastOne), v.minValue(1, atLeastOne))], atLeastOne),
    1.25,
  ),
} satisfies Record<keyof SessionOptions, unknown>;

const schema: v.GenericSchema<SessionOptions, Options> = v.strictObject(entries);

const define = defineSelector({
  name: "session",
  options: schema,
  needsBody: ({ key }) => keyNeedsBody(key),
  create(_pool, options, tools) {
    const inner = tools.inner(options.inner);
    const keys = createKeyReader(options.key);
    const ringOf = ofList(toRing);
    // A bound of Infinity is none, too.
    const bound = Number.isFinite(options.bound) ? Number(options.bound) : 0;
    return {
      ...passedOn(inner),
      pick(targets, x) {
        if (!keys.read(x)) return inner.pick(targets, x);
        return targets[findHighest(ringOf(targets), keys.hashes, bound)];
      },
      explain(targets, x) {
        if (!keys.read(x)) return explainBy(inner, targets, x, "no session key");
        return toScores(ringOf(targets), keys.hashes, bound, keys.source(x) as string);
      },
    };
  },
});

/**
 * Picks the same target for the same session.
 *
 * For upstreams that keep something of a session, such as its prompt cache. Nothing is remembered: every proxy in front
 * of the same targets picks alike, a target that leaves moves its own sessions only, and one that comes takes its part
 * from all. A busy target lends its sessions to their next choice until it has room. Sessions differ in size: without
 * many of them the load is uneven; to follow what was answered last rather than a hash see `sticky`, and to follow the
 * prompt itself see `prefix`.
 *
 * Weighted rendezvous hashing: the highest `weight / -ln(u)` for a `u` out of target and key (Thaler and Ravishankar
 * 1998; Schindelhauer and Schomaker 2005) among those with `inflight + 1` up to `ceil(bound * (all inflight + 1) *
 * weight / all weights)` (Mirrokni, Thorup and Zadimoghaddam 2016).
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }),
 *     session({ key: ["header:x-session-id", "conversation"] }),
 *   ],
 * });
 */
export const session: (options?: SessionOptions) => Plugin = (options = {}) =>
  define(withInner(options, leastConnections));

function toScores(ring: Ring, key: Int32Array, bound: number, source: string): readonly Score[] {
  const scores = scoresOf(ring, key);
  const most = capacities(ring, bound);
  const order = [...scores.keys()].toSorted((a, b) => scores[b]! - scores[a]!);
  const place = new Map(order.map((index, i) => [index, i + 1]));
  const able = ring.weights.filter((weight) => weight > 0).length;
  return ring.targets.map(({ id, live: { inflight } }, i) => {
    if (!(ring.weights[i]! > 0)) return { id, score: 0, note: "weight 0: passed over" };
    const choice = `choice ${place.get(i)} of ${able} for its ${source}`;
    if (bound === 0) return { id, score: scores[i]!, note: choice };
    const full = inflight + 1 > most[i]!;
    const note = `${choice}, ${inflight} under way of at most ${most[i]}${full ? ": passed over" : ""}`;
    return { id, score: full ? 0 : scores[i]!, note };
  });
}
