import { defineSelector, type Plugin, type Score, type Selector, type Target } from "../../core/index.ts";
import { createCycle, type Cycle } from "./_cycle.ts";
import { createLine, parts } from "./_line.ts";

/** Its multiples, modulo 1, spread more evenly than chance: the golden ratio's fraction. */
const golden = 0.618_033_988_749_894_8;

/**
 * Takes turns, in proportion to the weights and without bursts.
 *
 * The default choice for requests of about the same length: even over any few requests, and a pick costs the same for
 * three targets and for ten thousand. Each route takes turns of its own. Who comes or goes does not make the others
 * start over. For requests that differ much in length see `leastConnections`.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: [{ url: "http://127.0.0.1:8001", weight: 3 }, "http://127.0.0.1:8002"] }), roundRobin()] });
 */
export const roundRobin: () => Plugin = defineSelector({
  name: "round-robin",
  create: createTurns,
});

function createTurns(): Selector {
  /** By id, the turns owed to targets of the pool when they last were in the list: some are only down for now. */
  const owed = new Map<string, number>();
  const line = createLine();
  let known: readonly Target[] = [];
  let cycle = createCycle(known, owed);
  let retried = 0;

  return {
    pick(targets, x) {
      if (x.tried.length > 0) {
        // A retry's list is made for this one pick: the turns of all must not be lost over it.
        retried = (retried + golden) % 1;
        return line(targets, retried);
      }
      if (targets !== known) {
        settle(cycle, owed);
        cycle = createCycle(targets, owed);
        known = targets;
      }
      return cycle.next();
    },
    update({ all }) {
      const ids = new Set(all.map((target) => target.id));
      for (const id of owed.keys()) if (!ids.has(id)) owed.delete(id);
    },
    explain(targets) {
      return toScores(targets, targets === known ? cycle : createCycle(targets, settle(cycle, new Map(owed))));
    },
  };
}

function settle(cycle: Cycle, owed: Map<string, number>): Map<string, number> {
  const now = cycle.owed();
  for (const [i, target] of cycle.ring.entries()) owed.set(target.id, now[i] as number);
  return owed;
}

function toScores(targets: readonly Target[], cycle: Cycle): Score[] {
  const wait = cycle.wait?.();
  if (wait !== undefined) return toWaits(targets, cycle, wait);
  const owed = settle(cycle, new Map());
  const earns = parts(targets);
  return targets.map(({ id }, i) => {
    const turns = owed.get(id);
    if (turns === undefined) return { id, score: 0, note: "weight 0: takes no turns" };
    return {
      id,
      score: 1 + turns + (earns[i] as number),
      note: `is owed ${turns.toFixed(2)} turns`,
    };
  });
}

/** The one that waits the shortest is next. */
function toWaits(targets: readonly Target[], { ring }: Cycle, wait: Float64Array): Score[] {
  const waits = new Map(ring.map((target, i) => [target, wait[i]!]));
  return targets.map((target) => {
    const turns = waits.get(target);
    if (turns === undefined) return { id: target.id, score: 0, note: "weight 0: takes no turns" };
    return { id: target.id, score: 1 / (1 + turns), note: `its turn comes after ${turns.toFixed(1)} others` };
  });
}
