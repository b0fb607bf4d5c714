import { defineSelector, type Plugin, type Pool, type Selector, type Target } from "../../core/index.ts";
import { createLoadHeap, type LoadHeap, loadOf, rateByLoad } from "./_load-heap.ts";

/** Up to so many targets looking at all is as fast as keeping them in order, and leaves nothing to keep right. */
const fewEnoughToScan = 128;

/**
 * Picks the target with the fewest requests under way for its weight.
 *
 * The right choice where requests differ much in length, as generations do. The measure is `(inflight + 1) / weight`, so
 * a proxy with nothing to do sends to the heaviest targets only; those alike take turns. It counts the requests of this
 * process; behind many proxies each sees only its own, and `powerOfTwoChoices` keeps them from running after the same
 * target. A pick from ten thousand targets costs little more than one from ten: a long list is kept in order by load.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), leastConnections()] });
 */
export const leastConnections: () => Plugin = defineSelector({
  name: "least-connections",
  create(pool): Selector {
    const order = createOrder(pool);
    let from = 0;
    return {
      pick(targets) {
        const found = order.of(targets, from)?.next() ?? scan(targets, from);
        // To look on from behind the last pick, not from one further each time, is what makes equals take fair turns.
        from = found + 1;
        return targets[found];
      },
      update: () => order.drop(),
      score: (targets, _x, into) => rateByLoad(targets, into),
      explain(targets) {
        const scores = new Float64Array(targets.length);
        rateByLoad(targets, scores);
        return targets.map(({ id, live, weight }, i) => ({
          id,
          score: scores[i] ?? 0,
          note: `${live.inflight} under way, weight ${weight}`,
        }));
      },
    };
  },
});

interface Order {
  /** The heap of a long list that is asked for again; undefined: better scan this one. */
  of(targets: readonly Target[], from: number): LoadHeap | undefined;
  drop(): void;
}

function createOrder(pool: Pool): Order {
  // Lists made for one pick, as those of a retry or without what is full, must not take the place of the lasting one:
  // a list is worth a heap when it comes a second time.
  const seen = new WeakSet<readonly Target[]>();
  let heap: LoadHeap | undefined;
  let listening = false;
  return {
    of(targets, from) {
      if (targets.length <= fewEnoughToScan) return undefined;
      if (targets === heap?.targets) return heap;
      if (!seen.has(targets)) {
        seen.add(targets);
        return undefined;
      }
      if (!listening) pool.onLoad((live) => heap?.changed(live));
      listening = true;
      heap = createLoadHeap(targets, from);
      return heap;
    },
    drop() {
      heap = undefined;
    },
  };
}

function scan(targets: readonly Target[], from: number): number {
  const found = findLeast(targets, from, false);
  return found === -1 ? findLeast(targets, from, true) : found;
}

/** Index of the least loaded, the first of equals from `from` on; -1 if none has a weight. */
function findLeast(targets: readonly Target[], from: number, weightless: boolean): number {
  const { length } = targets;
  let found = -1;
  let least = Infinity;
  let index = from < length ? from : 0;
  for (let seen = 0; seen < length; seen++) {
    const busy = loadOf(targets[index] as Target, weightless);
    if (busy < least) {
      least = busy;
      found = index;
    }
    if (++index === length) index = 0;
  }
  return found;
}
