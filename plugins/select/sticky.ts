import * as v from "valibot";
import { defineSelector, type Outcome, type Plugin, type Score, type Target } from "../../core/index.ts";
import { clockSource } from "./_chance-and-time.ts";
import { explainBy, innerSchema } from "./_inner-selector.ts";
import { isWeightless } from "./_load-heap.ts";
import { createSeats, isSeat, type Seat } from "./_seats.ts";
import { createKeyReader, keyNeedsBody, keySchema, type SessionKey } from "./_session-key.ts";

export interface StickyOptions {
  /** Milliseconds after which a session that was not heard of is forgotten. @default 3600000 */
  ttl?: number;
  /** Sessions remembered per route; the one not heard of for longest makes room. @default 10000 */
  max?: number;
  /** Milliseconds. @default Date.now */
  now?: () => number;
}

interface AllOptions extends StickyOptions {
  readonly key: SessionKey | readonly SessionKey[];
  readonly inner: Plugin;
}

const entries = {
  key: keySchema,
  inner: innerSchema,
  ttl: v.optional(v.pipe(v.number(), v.minValue(1, "Expected milliseconds, 1 or more")), 3_600_000),
  max: v.optional(
    v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more")),
    10_000,
  ),
  now: v.optional(clockSource, () => Date.now),
} satisfies Record<keyof AllOptions, unknown>;

const schema: v.GenericSchema<AllOptions, Required<AllOptions>> = v.strictObject(entries);

const define = defineSelector({
  name: "sticky",
  options: schema,
  needsBody: ({ key }) => keyNeedsBody(key),
  create(_pool, { key, inner: plugin, ttl, max, now }, tools) {
    const inner = tools.inner(plugin);
    const keys = createKeyReader(key);
    const seats = createSeats(
      tools.keep(tools.route, () => new Map<number, Seat>()),
      keys,
      { ttl, max },
    );

    return {
      pick(targets, x) {
        const seat = keys.read(x) ? seats.find(now) : undefined;
        const place = seat === undefined ? -1 : findPlace(targets, seat);
        if (place !== -1) return targets[place];
        if (seat !== undefined) seat.missed = true;
        return inner.pick(targets, x);
      },
      update(snapshot) {
        seats.forgetOthers(snapshot.all);
        inner.update?.(snapshot);
      },
      attemptStart: (target, x) => inner.attemptStart?.(target, x),
      attemptEnd(target, outcome, x) {
        inner.attemptEnd?.(target, outcome, x);
        if (wentWell(outcome) && keys.read(x)) seats.answered(target, now());
      },
      explain(targets, x) {
        if (!keys.read(x)) return explainBy(inner, targets, x, "no session key");
        const seat = seats.find(now);
        const place = seat === undefined ? -1 : findPlace(targets, seat);
        if (place === -1) return explainBy(inner, targets, x, "a new session");
        return putFirst(explainBy(inner, targets, x, "answered others"), place, keys.source(x) as string);
      },
    };
  },
});

/**
 * Stays with the target that answered the session last.
 *
 * For upstreams that keep something of a session, such as its prompt cache, where any of them may take a new one: that
 * goes to `inner`, by load, price or speed, and what it chose holds until the target fails, leaves, or the session is
 * not heard of for `ttl`. It is learned when an attempt has ended well, with a status below 400 (as in Plexus). Memory
 * is this process's own, kept over reloads: with many proxies in front, or one that is restarted often, see `session`,
 * which needs none.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }),
 *     sticky(["header:x-session-id", "conversation"], leastConnections()),
 *   ],
 * });
 */
export const sticky: (key: SessionKey | readonly SessionKey[], inner: Plugin, options?: StickyOptions) => Plugin = (
  key,
  inner,
  options,
) => define({ ...options, key, inner });

function wentWell({ kind, status }: Outcome): boolean {
  return kind === "ok" && status > 0 && status < 400;
}

/** Index of the target that has the session; -1 when it is not in the list, or has no weight while another has one. */
function findPlace(targets: readonly Target[], seat: Seat): number {
  // Of ten thousand it is nearly always where it was.
  let place = seat.place < targets.length ? seat.place : 0;
  for (let seen = 0; !isSeat(targets[place], seat); seen++) {
    if (seen === targets.length) return -1;
    place = place + 1 < targets.length ? place + 1 : 0;
  }
  seat.place = place;
  return targets[place]!.weight > 0 || isWeightless(targets) ? place : -1;
}

function putFirst(scores: readonly Score[], first: number, source: string): readonly Score[] {
  const above = Math.max(...scores.map(({ score }) => score)) + 1;
  return scores.map((score, i) =>
    i === first ? { id: score.id, score: above, note: `answered its ${source} last` } : score,
  );
}
