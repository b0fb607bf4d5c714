import type { Target } from "../../core/index.ts";
import type { Typical, Usual } from "./_speed-median.ts";
import { fade, penaltyAt, type Speed } from "./_speed-samples.ts";

/** From so many targets on a list is worked out anew only now and then, and at once only where something changed. */
const many = 256;
/** After this share of `decay`. */
const interval = 1 / 256;
/** Changes that are remembered for lists that have not seen them; one that is further behind is worked out anew. */
const remembered = 64;

/** What was learned of a pool's targets, and which changed last; plain data, for it outlives generations. */
export interface KnownSpeeds {
  readonly speeds: Map<string, Speed>;
  /** The last changes, a ring. */
  readonly changed: Speed[];
  /** Changes so far. */
  changes: number;
}

export function createKnownSpeeds(): KnownSpeeds {
  return { speeds: new Map(), changed: [], changes: 0 };
}

export function noteChange(known: KnownSpeeds, speed: Speed): void {
  known.changed[known.changes++ % remembered] = speed;
}

/** What to expect of the targets of a list, figure by figure: that is read much faster than from objects. */
export interface Expected {
  /** Milliseconds to the first token. */
  readonly ttft: Float64Array;
  /** Milliseconds for each token after the first. */
  readonly perToken: Float64Array;
  /** Its weight over the requests under way and this one. */
  readonly share: Float64Array;
}

export interface Columns {
  /** Has to be told of each change of load: it will not look itself. */
  readonly isLong: boolean;
  at(time: number): Expected;
  loaded(live: Target["live"]): void;
}

export interface ColumnsContext {
  readonly known: KnownSpeeds;
  readonly typical: Typical;
  readonly decay: number;
  /** The list is for one pick, and what is usual is not to be measured by it. */
  readonly passing: boolean;
}

export function createColumns(targets: readonly Target[], speeds: readonly Speed[], context: ColumnsContext): Columns {
  const { known, typical, decay, passing } = context;
  const { length } = targets;
  const column = (): Float64Array => new Float64Array(length);
  const expected = { ttft: column(), perToken: column(), share: column() };
  const write = createWriter(targets, speeds, context, expected);
  const bySpeed = new Map(speeds.map((speed, index) => [speed, index]));
  const byLoad = new Map(targets.map(({ live }, index) => [live, index]));
  // Where faces of one target are in the list, what changes has more than one place.
  const isLong = length >= many && bySpeed.size === length && byLoad.size === length;
  let seen = -Infinity;
  let writtenAt = -Infinity;

  function writeAll(time: number): void {
    if (!passing && seen !== known.changes) typical.measure(speeds);
    for (let index = 0; index < length; index++) write(index, time);
    writtenAt = time;
    seen = known.changes;
  }

  return {
    isLong,
    at(time) {
      const isDue = time - writtenAt >= decay * interval || known.changes - seen > remembered;
      if (!isLong || isDue) writeAll(time);
      for (; seen < known.changes; seen++) {
        const index = bySpeed.get(known.changed[seen % remembered]!);
        if (index !== undefined) write(index, time);
      }
      return expected;
    },
    loaded(live) {
      const index = byLoad.get(live);
      if (index !== undefined) write(index, writtenAt);
    },
  };
}

/** Makes what writes the figures of one target, as of a time. */
function createWriter(
  targets: readonly Target[],
  speeds: readonly Speed[],
  { typical, decay }: ColumnsContext,
  { ttft, perToken, share }: Expected,
): (index: number, time: number) => void {
  return (index, time) => {
    const speed = speeds[index]!;
    const { weight, live } = targets[index]!;
    const penalty = penaltyAt(speed.penalty, time - speed.faultAt, decay);
    const rest = live.inflight > 0 ? 1 : fade((time - speed.restingSince) / decay);
    ttft[index] = estimate(speed.ttft, typical.ttft, rest) * penalty;
    perToken[index] = estimate(speed.perToken, typical.perToken, rest) * penalty;
    // One of weight 0 is only ever picked where none has a weight.
    share[index] = (weight > 0 ? weight : 1) / ((live.inflight > 0 ? live.inflight : 0) + 1);
  };
}

/** At rest it falls to what the fastest takes: to be tried again it need not look better than that. */
function estimate(measured: number, { median, least }: Usual, rest: number): number {
  const full = measured > 0 ? measured : median;
  return Math.min(full, Math.max(full * rest, least));
}
