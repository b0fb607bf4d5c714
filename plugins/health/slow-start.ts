import * as v from "valibot";
import { definePlugin, type Exchange, type Plugin, type Slot, type Target } from "../../core/index.ts";
import { createThinner } from "./_slow-lists.ts";
import { beginWarming, createWarming, shareOf, someWarming } from "./_slow-warming.ts";

export interface SlowStartOptions {
  /** Milliseconds until a target has its whole share. @default 10000 */
  over?: number;
  /** 0..1: the part of its share that it begins with. @default 0.1 */
  from?: number;
  /** A monotonic clock, in milliseconds. @default performance.now */
  now?: () => number;
}

/** The chance of one exchange. */
interface Draws {
  /** By id: 0..1. */
  readonly of: Map<string, number>;
  /** Those that were left out are needed after all. */
  lifted: boolean;
}

const schema: v.GenericSchema<SlowStartOptions, Required<SlowStartOptions>> = v.strictObject({
  over: v.optional(
    v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more")),
    10_000,
  ),
  from: v.optional(
    v.pipe(v.number(), v.gtValue(0, "Expected more than 0, up to 1"), v.maxValue(1, "Expected more than 0, up to 1")),
    0.1,
  ),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
    () => () => performance.now(),
  ),
} satisfies Record<keyof SlowStartOptions, unknown>);

/**
 * Gives targets that are new or came back their share little by little.
 *
 * Their caches are cold and their connections not made yet, and `leastConnections` would send them all that comes. The
 * share grows linearly from `from` to all of it, as with `slowstart` of HAProxy: meanwhile requests by chance do not see
 * the target. This works with any selector; one by load never gives it more than that part of all requests, one that
 * turns gives it that part of its turn. Targets that warm up together are compared with the warmest, so that one is
 * always left, and a retry may go to any. Targets that are there when the proxy starts are not new, and a reload changes
 * nothing. For servers of one's own; a target that sessions or a hash of the prompt are bound to loses some of them to
 * others meanwhile.
 *
 * @example
 * slowStart({ over: 30_000, from: 0.05 });
 */
export const slowStart: (options?: SlowStartOptions) => Plugin = definePlugin({
  name: "slow-start",
  options: schema,
  setup(proxy, { over, from, now }) {
    const course = { over, from };
    const known = proxy.keep("known", () => new WeakSet<Target["live"]>());
    const warming = proxy.keep("warming", createWarming);
    const slot = proxy.slot<Draws>("slow-start");
    const thin = createThinner(
      ({ id }) => warming.since.has(id),
      () => warming.version,
    );

    /** A target is new while its counters are: core keeps these as long as anybody holds the target. */
    function meet({ id, live }: Target): void {
      if (known.has(live)) return;
      known.add(live);
      if (warming.begun) beginWarming(warming, id, now(), course);
    }

    /** Where none is warm the warmest has its whole share. */
    function narrow(x: Exchange, targets: readonly Target[], time: number): readonly Target[] {
      return thin(targets, (cold) => {
        const shares = cold.map(({ id }) => shareOf(warming, id, time, course));
        const best = cold.length < targets.length ? 1 : Math.max(...shares);
        const draws = drawsOf(slot, x);
        return cold.map(({ id }, i) => draw(draws, id, proxy.random) < (shares[i] ?? 1) / best);
      });
    }

    proxy.onReady(() => {
      for (const pool of proxy.pools()) {
        pool.snapshot.all.forEach(meet);
        pool.onChange(({ all }) => all.forEach(meet));
      }
      warming.begun = true;
    });

    return {
      health({ id }, up) {
        if (up) beginWarming(warming, id, now(), course);
        return undefined;
      },
      candidates(x, targets) {
        if (warming.since.size === 0 || x.attempt > 0 || x.tried.length > 0) return targets;
        const time = now();
        return someWarming(warming, time) && slot.get(x)?.lifted !== true ? narrow(x, targets, time) : targets;
      },
      recover: {
        // Before anybody waits for the room that those have who were left out.
        before: ["queue"],
        handler(x) {
          const draws = slot.get(x);
          if (draws === undefined || draws.lifted || x.attempt > 0) return undefined;
          draws.lifted = true;
          return "retry";
        },
      },
    };
  },
});

function drawsOf(slot: Slot<Draws>, x: Exchange): Draws {
  let draws = slot.get(x);
  if (draws === undefined) slot.set(x, (draws = { of: new Map(), lifted: false }));
  return draws;
}

/** The same for one exchange and target, however often it is asked. */
function draw({ of }: Draws, id: string, random: () => number): number {
  let drawn = of.get(id);
  if (drawn === undefined) of.set(id, (drawn = random()));
  return drawn;
}
