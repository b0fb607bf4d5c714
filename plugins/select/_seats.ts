import type { Target } from "../../core/index.ts";
import type { KeptKey, KeyReader } from "./_session-key.ts";

/** Where a session was answered last. */
export interface Seat {
  readonly key: KeptKey;
  id: string;
  model: string | undefined;
  at: number;
  /** Index in the list at which it was found last. */
  place: number;
  /** Its target could not be used since: who answers next has the session. */
  missed: boolean;
}

/** The seats of sessions; which session it is, is what `keys` has read last. */
export interface Seats {
  /** Undefined when it was not heard of for the time to live. */
  find(now: () => number): Seat | undefined;
  /** Seats the session at the target that answered it, unless it sits elsewhere. */
  answered(target: Target, time: number): void;
  /** Forgets the sessions of targets that are not among these. */
  forgetOthers(all: readonly Target[]): void;
}

/**
 * Makes seats over a map that may outlive them: by one hash of the session's key or the other, the longest not heard of
 * first. By numbers, for a key of letters would have to be made for each pick. A seat is had by the session whose key it
 * is, compared letter by letter as far as it is kept, never by another of the same hash.
 */
export function createSeats(
  kept: Map<number, Seat>,
  keys: KeyReader,
  { ttl, max }: { readonly ttl: number; readonly max: number },
): Seats {
  const { hashes } = keys;

  function seatAt(hash: number): Seat | undefined {
    const seat = kept.get(hash);
    return seat !== undefined && keys.is(seat.key) ? seat : undefined;
  }

  /** For a new seat: where there is none, or, as hardly ever happens, the one not heard of for longer. */
  function freeHash(): number {
    const one = kept.get(hashes[0]!);
    const other = kept.get(hashes[1]!);
    return one === undefined || (other !== undefined && one.at <= other.at) ? hashes[0]! : hashes[1]!;
  }

  function trim(oldest: number): void {
    for (const [hash, { at }] of kept) {
      if (kept.size <= max && at >= oldest) return;
      kept.delete(hash);
    }
  }

  return {
    find(now) {
      const seat = seatAt(hashes[0]!) ?? seatAt(hashes[1]!);
      return seat === undefined || now() - seat.at > ttl ? undefined : seat;
    },
    answered(target, time) {
      const first = seatAt(hashes[0]!);
      const seat = first ?? seatAt(hashes[1]!);
      // Requests of a new session that came at once have gone to several: the first to answer keeps it.
      if (seat !== undefined && !seat.missed && time - seat.at <= ttl && !isSeat(target, seat)) return;
      const hash = seat === undefined ? freeHash() : hashes[seat === first ? 0 : 1]!;
      // Taken out first, for it goes to the end.
      kept.delete(hash);
      kept.set(hash, seat === undefined ? newSeat(keys.keep(), target, time) : seated(seat, target, time));
      trim(time - ttl);
    },
    forgetOthers(all) {
      const ids = new Set(all.map((target) => target.id));
      for (const [hash, { id }] of kept) if (!ids.has(id)) kept.delete(hash);
    },
  };
}

/** Whether it is this target's. */
export function isSeat(target: Target | undefined, { id, model }: Seat): boolean {
  return target !== undefined && target.id === id && target.model === model;
}

function newSeat(key: KeptKey, { id, model }: Target, at: number): Seat {
  return { key, id, model, at, place: 0, missed: false };
}

function seated(seat: Seat, { id, model }: Target, at: number): Seat {
  seat.id = id;
  seat.model = model;
  seat.at = at;
  seat.missed = false;
  return seat;
}
