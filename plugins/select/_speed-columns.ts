import type { Target } from "../../core/index.ts";
import type { Typical } from "./_speed-median.ts";
import type { Speed } from "./_speed-samples.ts";

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
  read(): Expected;
  loaded(live: Target["live"]): void;
}

export interface ColumnsContext {
  readonly known: KnownSpeeds;
  readonly typical: Typical;
  readonly decay: number;
  readonly now: () => number;
  /** The list is for one pick, and what is usual is not to be measured by it. */
  readonly passing: boolean;
}

export function createColumns(targets: readonly Target[], speeds: readonly Speed[], context: ColumnsContext): Columns {
  const { known, typical, decay, now, passing } = context;
  const { length } = targets;
  const column = (): Float64Array => new Float64Array(length);
  const expected = { ttft: column(), perToken: column(), share: column() };
  /** As of when the figures are. One number, which as a variable or a parameter would be in a new box each time. */
  const clock = new Float64Array(1).fill(-Infinity);
  const write = createWriter(targets, speeds, { ...context, clock, expected });
  const bySpeed = new Map(speeds.map((speed, index) => [speed, index]));
  const byLoad = new Map(targets.map(({ live }, index) => [live, index]));
  // Where faces of one target are in the list, what changes has more than one place.
  const isLong = length >= many && bySpeed.size === length && byLoad.size === length;
  let seen = -1;

  function writeAll(): void {
    if (!passing && seen !== known.changes) typical.measure(speeds);
    write(0, length);
    seen = known.changes;
  }

  return {
    isLong,
    read() {
      const time = now();
      const isDue = time - clock[0]! >= decay * interval || known.changes - seen > remembered;
      if (!isLong || isDue) {
        clock[0] = time;
        writeAll();
      }
      for (; seen < known.changes; seen++) {
        const index = bySpeed.get(known.changed[seen % remembered]!);
        if (index !== undefined) write(index, index + 1);
      }
      return expected;
    },
    loaded(live) {
      const index = byLoad.get(live);
      if (index !== undefined) write(index, index + 1);
    },
  };
}

interface WriterContext extends ColumnsContext {
  readonly clock: Float64Array;
  readonly expected: Expected;
}

/**
 * Makes what writes the figures of targets, from one index to another. At rest they fall to what the fastest takes: to be
 * tried again a target need not look better than that.
 */
function createWriter(
  targets: readonly Target[],
  speeds: readonly Speed[],
  { typical, decay, clock, expected: { ttft, perToken, share } }: WriterContext,
): (from: number, to: number) => void {
  const factors = new Float64Array(2);

  /**
   * Leaves in `factors` what is left after the rest and how many times slower its faults make it: `fade` and `penaltyAt`
   * written out, for what a function returns is put into a box for each target where the engine does not inline it.
   */
  function measure({ restingSince, penalty, faultAt }: Speed, isResting: boolean): void {
    const time = clock[0]!;
    const rested = isResting && time > restingSince ? (1 + (time - restingSince) / (4 * decay)) ** 2 : 1;
    const healed = time > faultAt ? (1 + (time - faultAt) / (4 * decay)) ** 2 : 1;
    factors[0] = 1 / (rested * rested);
    factors[1] = 1 + (penalty - 1) / (healed * healed);
  }

  return (from, to) => {
    for (let index = from; index < to; index++) {
      const speed = speeds[index]!;
      const { weight, live } = targets[index]!;
      measure(speed, !(live.inflight > 0));
      const rest = factors[0]!;
      const wait = speed.ttft > 0 ? speed.ttft : typical.ttft.median;
      const gap = speed.perToken > 0 ? speed.perToken : typical.perToken.median;
      const leastWait = typical.ttft.least < wait ? typical.ttft.least : wait;
      const leastGap = typical.perToken.least < gap ? typical.perToken.least : gap;
      ttft[index] = (wait * rest > leastWait ? wait * rest : leastWait) * factors[1]!;
      perToken[index] = (gap * rest > leastGap ? gap * rest : leastGap) * factors[1]!;
      // One of weight 0 is only ever picked where none has a weight.
      share[index] = (weight > 0 ? weight : 1) / ((live.inflight > 0 ? live.inflight : 0) + 1);
    }
  };
}
