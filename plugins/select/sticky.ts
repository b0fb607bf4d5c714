import * as v from "valibot";
import { defineSelector, type Outcome, type Plugin, type Score, type Target } from "../../core/index.ts";
import { clockSource } from "./_chance-and-time.ts";
import { explainBy, innerSchema } from "./_inner-selector.ts";
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

/** Where a session was answered last. */
interface Seat {
  readonly id: string;
  readonly model: string | undefined;
  readonly at: number;
  /** Index in the list at which it was found last. */
  place: number;
  /** Its target could not be used since: who answers next has the session. */
  missed: boolean;
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
    /** By key, the longest not heard of first. */
    const seats = tools.keep(tools.route, () => new Map<string, Seat>());

    function seatOf(word: string | undefined): Seat | undefined {
      const seat = word === undefined ? undefined : seats.get(word);
      return seat === undefined || now() - seat.at > ttl ? undefined : seat;
    }

    return {
      pick(targets, x) {
        const seat = seatOf(keys.read(x));
        const found = seat && findSeat(targets, seat);
        if (found !== undefined) return found;
        if (seat !== undefined) seat.missed = true;
        return inner.pick(targets, x);
      },
      update(snapshot) {
        const ids = new Set(snapshot.all.map((target) => target.id));
        for (const [word, { id }] of seats) if (!ids.has(id)) seats.delete(word);
        inner.update?.(snapshot);
      },
      attemptStart: (target, x) => inner.attemptStart?.(target, x),
      attemptEnd(target, outcome, x) {
        inner.attemptEnd?.(target, outcome, x);
        const word = wentWell(outcome) ? keys.read(x) : undefined;
        if (word === undefined) return;
        const time = now();
        const seat = seatOf(word);
        // Requests of a new session that came at once have gone to several: the first to answer keeps it.
        if (seat !== undefined && !seat.missed && !isSeat(target, seat)) return;
        seats.delete(word);
        seats.set(word, { id: target.id, model: target.model, at: time, place: seat?.place ?? 0, missed: false });
        trim(seats, max, time - ttl);
      },
      explain(targets, x) {
        const word = keys.read(x);
        if (word === undefined) return explainBy(inner, targets, x, "no session key");
        const seat = seatOf(word);
        const last = seat && findSeat(targets, seat);
        if (last === undefined) return explainBy(inner, targets, x, "a new session");
        return putFirst(
          explainBy(inner, targets, x, "answered others"),
          targets.indexOf(last),
          keys.source(x) as string,
        );
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

function findSeat(targets: readonly Target[], seat: Seat): Target | undefined {
  // Of ten thousand it is nearly always where it was.
  if (!isSeat(targets[seat.place], seat)) seat.place = targets.findIndex((target) => isSeat(target, seat));
  const found = targets[seat.place];
  return found === undefined || found.weight > 0 || !targets.some(({ weight }) => weight > 0) ? found : undefined;
}

function isSeat(target: Target | undefined, { id, model }: Seat): boolean {
  return target !== undefined && target.id === id && target.model === model;
}

function trim(seats: Map<string, Seat>, max: number, oldest: number): void {
  for (const [word, { at }] of seats) {
    if (seats.size <= max && at >= oldest) return;
    seats.delete(word);
  }
}

function putFirst(scores: readonly Score[], first: number, source: string): readonly Score[] {
  const above = Math.max(...scores.map(({ score }) => score)) + 1;
  return scores.map((score, i) =>
    i === first ? { id: score.id, score: above, note: `answered its ${source} last` } : score,
  );
}
