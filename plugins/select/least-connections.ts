import { defineSelector, type Plugin, type Target } from "../../core/index.ts";

/**
 * Picks the target with the fewest requests under way for its weight.
 *
 * The right choice where requests differ much in length, as generations do. The measure is `(inflight + 1) / weight`, so
 * a proxy with nothing to do sends to the heaviest targets only; those alike take turns. It counts the requests of this
 * process; behind many proxies each sees only its own.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), leastConnections()] });
 */
export const leastConnections: () => Plugin = defineSelector({
  name: "least-connections",
  create() {
    let from = 0;
    return {
      pick(targets) {
        let found = findLeast(targets, from, false);
        if (found === -1) found = findLeast(targets, from, true);
        // To look on from behind the last pick, not from one further each time, is what makes equals take fair turns.
        from = found + 1;
        return targets[found];
      },
      explain(targets) {
        const weightless = targets.every((target) => !(target.weight > 0));
        return targets.map((target) => ({
          id: target.id,
          score: 1 / load(target, weightless),
          note: `${target.live.inflight} under way, weight ${target.weight}`,
        }));
      },
    };
  },
});

/** Index of the least loaded, the first of equals from `from` on; -1 if none has a weight. */
function findLeast(targets: readonly Target[], from: number, weightless: boolean): number {
  const { length } = targets;
  let found = -1;
  let least = Infinity;
  let index = from < length ? from : 0;
  for (let seen = 0; seen < length; seen++) {
    const busy = load(targets[index] as Target, weightless);
    if (busy < least) {
      least = busy;
      found = index;
    }
    if (++index === length) index = 0;
  }
  return found;
}

/** Infinite for a weight of 0. A count below zero, should there ever be one, must not draw all the traffic. */
function load(target: Target, weightless: boolean): number {
  const { inflight } = target.live;
  return ((inflight > 0 ? inflight : 0) + 1) / (weightless ? 1 : target.weight);
}
