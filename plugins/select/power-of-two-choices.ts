import * as v from "valibot";
import { defineSelector, type Plugin, type Score, type Target } from "../../core/index.ts";
import { randomSource } from "./_chance-and-time.ts";
import { isWeightless, loadOf, rateByLoad } from "./_load-heap.ts";
import { ofList } from "./_of-list.ts";

export interface PowerOfTwoChoicesOptions {
  /** A number in [0, 1), twice for each pick. @default the proxy's */
  random?: () => number;
}

const entries = {
  random: v.optional(randomSource),
} satisfies Record<keyof PowerOfTwoChoicesOptions, unknown>;

const schema: v.GenericSchema<PowerOfTwoChoicesOptions> = v.strictObject(entries);

/**
 * Picks the less busy of two targets drawn at random.
 *
 * For many targets behind several proxies: none of them sees all of the load, and where `leastConnections` would send
 * every proxy to the same idle target, chance keeps them apart, and nearly as even. For one proxy, or few targets,
 * `leastConnections` is better: this one may draw the two busiest.
 *
 * Of two different targets that have a weight, drawn evenly, the one with the lower `(inflight + 1) / weight`, of equals
 * the first drawn (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), powerOfTwoChoices()] });
 */
export const powerOfTwoChoices: (options?: PowerOfTwoChoicesOptions) => Plugin = defineSelector({
  name: "power-of-two-choices",
  options: schema,
  create(_pool, { random: given }, tools) {
    const random = given ?? tools.random;
    const urnOf = ofList(toUrn);

    /** The better of two; undefined when one of them should not have been drawn. */
    function draw(targets: readonly Target[], weightless: boolean): Target | undefined {
      const { length } = targets;
      if (length === 1) return targets[0];
      const first = Math.floor(random() * length);
      // From those before and behind the first, so that it is never drawn twice.
      const among = Math.floor(random() * (length - 1));
      const one = targets[first] as Target;
      const other = targets[among < first ? among : among + 1] as Target;
      if (!weightless && !(one.weight > 0 && other.weight > 0)) return undefined;
      return loadOf(other, weightless) < loadOf(one, weightless) ? other : one;
    }

    return {
      pick(targets) {
        // Hardly a list has one of weight 0 in it: those with a weight are only looked for when one was drawn.
        const picked = draw(targets, false);
        if (picked !== undefined) return picked;
        const { members, weightless } = urnOf(targets);
        return draw(members, weightless);
      },
      score: (targets, _x, into) => rateByLoad(targets, into),
      explain: (targets) => toScores(targets, urnOf(targets)),
    };
  },
});

/** What may be drawn. */
interface Urn {
  readonly members: readonly Target[];
  readonly weightless: boolean;
}

function toUrn(targets: readonly Target[]): Urn {
  const weightless = isWeightless(targets);
  return { members: weightless ? targets : targets.filter((target) => target.weight > 0), weightless };
}

/** Scores are the chances to be picked: of all pairs, those it wins, and half of those that are even. */
function toScores(targets: readonly Target[], { members, weightless }: Urn): Score[] {
  const loads = members.map((target) => loadOf(target, weightless)).toSorted((a, b) => a - b);
  const others = members.length - 1;
  return targets.map((target) => {
    const { id, weight, live } = target;
    if (!weightless && !(weight > 0)) return { id, score: 0, note: "weight 0: never drawn" };
    const load = loadOf(target, weightless);
    const less = countBelow(loads, (other) => other < load);
    const even = countBelow(loads, (other) => other <= load) - less - 1;
    const chance = others === 0 ? 1 : (2 * (others - less - even) + even) / (members.length * others);
    const note = `${live.inflight} under way, weight ${weight}: loses to ${less} of ${others} others`;
    return { id, score: chance, note };
  });
}

/** How many from the start of the row pass; all those that do come first. */
function countBelow(row: readonly number[], passes: (value: number) => boolean): number {
  let low = 0;
  let high = row.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (passes(row[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
