import * as v from "valibot";
import {
  defineSelector,
  type Exchange,
  type Plugin,
  type Score,
  type Selector,
  type Target,
} from "../../core/index.ts";
import { randomSource } from "./_chance-and-time.ts";
import { type Arms, createArmOf, toArms } from "./_arms.ts";
import { hashText } from "./_hash.ts";
import { innerSchema, withInner } from "./_inner-selector.ts";
import { ofList } from "./_of-list.ts";
import { roundRobin } from "./round-robin.ts";

/** What keeps a client in its arm: a request header, or a function of the request. */
export type SplitKey = `header:${string}` | ((x: Exchange) => string | undefined);

export interface SplitSettings {
  /** The label, or else the field of `meta`, that says which arm a target is in. @default "group" */
  label?: string;
  /** Picks within an arm; each arm has one of its own. @default roundRobin() */
  inner?: Plugin;
  /** Requests with the same value go to the same arm. @default each request anew */
  by?: SplitKey;
  /** A number in [0, 1) for each request that no key places. @default the proxy's */
  random?: () => number;
}

export interface SplitOptions extends SplitSettings {
  /** By name of the arm how much of the traffic it gets, in any unit: `5` and `95` as well as `0.05` and `0.95`. */
  shares: Readonly<Record<string, number>>;
}

interface Options extends SplitOptions {
  readonly label: string;
  readonly inner: Plugin;
}

const share = "Expected a share of 0 or more, as in { canary: 5, stable: 95 }";

const entries = {
  shares: v.pipe(
    v.record(v.string(), v.pipe(v.number(share), v.finite(share), v.minValue(0, share)), share),
    v.check((shares) => Object.values(shares).some((each) => each > 0), "Expected at least one share above 0"),
  ),
  label: v.optional(v.pipe(v.string(), v.nonEmpty("Expected the name of a label")), "group"),
  inner: innerSchema,
  by: v.optional(v.custom<SplitKey>(isKey, 'Expected "header:NAME" or a function that returns a string')),
  random: v.optional(randomSource),
} satisfies Record<keyof SplitOptions, unknown>;

const schema: v.GenericSchema<SplitOptions, Options> = v.strictObject(entries);

const define = defineSelector({
  name: "split",
  options: schema,
  create(_pool, options, tools): Selector {
    const { shares, label, by, random = tools.random } = options;
    const named = Object.entries(shares);
    const armOf = createArmOf(named, label);
    const names = [...named.map(([name]) => `arm ${name}`), "in no arm"];
    const inner = names.map(() => tools.inner(options.inner));
    const armsOf = ofList((targets) => toArms(targets, named, armOf));
    const keyOf = toReader(by);

    /** The arm that a request must go to; undefined if it may go to any. */
    function settled(arms: Arms, x: Exchange): number | undefined {
      const last = x.tried.at(-1);
      if (last !== undefined) {
        const arm = armOf(last);
        if (arms.parts[arm]! > 0) return arm;
      }
      const key = keyOf(x);
      return key === undefined ? undefined : arms.at(toPoint(key));
    }

    return {
      pick(targets, x) {
        const arms = armsOf(targets);
        const arm = settled(arms, x) ?? arms.at(random());
        return inner[arm]!.pick(arms.members[arm]!, x);
      },
      update: (snapshot) => inner.forEach((each) => each.update?.(snapshot)),
      attemptStart: (target, x) => inner[armOf(target)]!.attemptStart?.(target, x),
      attemptEnd: (target, outcome, x) => inner[armOf(target)]!.attemptEnd?.(target, outcome, x),
      explain(targets, x) {
        const arms = armsOf(targets);
        const arm = settled(arms, x);
        const scores = new Map(
          arms.members.flatMap((members, i) =>
            explainArm(inner[i]!, members, x, { name: names[i]!, part: arms.parts[i]!, settled: arm === i, arm }),
          ),
        );
        return targets.map(
          (target) => scores.get(target) ?? { id: target.id, score: 0, note: "weight 0: passed over" },
        );
      },
    };
  },
});

/**
 * Sends shares of the traffic to groups of targets, as for a canary.
 *
 * Each request goes to one arm in proportion to its share, and there to the target that `inner` picks. A target is in the
 * arm that its label `group` names. An arm of which nothing is up gives its share to the others; a share of 0 gets
 * requests only where no other arm is left; targets in no arm, only where no arm is. A retry stays in its arm as long as
 * there is another target in it. Weights count within an arm. To weigh single targets against each other `roundRobin` is
 * enough.
 *
 * The arm is drawn by chance rather than by turns: what the arms show can be compared only if none of them gets every
 * twentieth request of a client that sends in a rhythm. With `by` it is the place of the value's hash on a line on which
 * the arms lie in the order given, each as long as its share: a client stays where it is until the shares change, and a
 * change from 5 : 95 to 10 : 90 moves clients to the first arm only. Requests without the value are drawn.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({
 *       targets: [
 *         { url: "http://127.0.0.1:8001", labels: { group: "stable" } },
 *         { url: "http://127.0.0.1:8002", labels: { group: "canary" } },
 *       ],
 *     }),
 *     split({ canary: 5, stable: 95 }, { by: "header:x-user-id" }),
 *   ],
 * });
 */
export const split: (shares: Readonly<Record<string, number>>, options?: SplitSettings) => Plugin = (
  shares,
  options = {},
) => define(withInner({ ...options, shares }, roundRobin));

interface Place {
  readonly name: string;
  readonly part: number;
  /** It is the arm of this request. */
  readonly settled: boolean;
  /** The arm of this request; undefined if it is yet to be drawn. */
  readonly arm: number | undefined;
}

/** The inner scores are in a unit of their own, which another arm's need not be: the part of the requests they mean is not. */
function explainArm(
  inner: Selector,
  targets: readonly Target[],
  x: Exchange,
  { name, part, settled, arm }: Place,
): readonly (readonly [Target, Score])[] {
  if (targets.length === 0) return [];
  const scores = inner.explain?.(targets, x);
  const raw = targets.map((_, i) => Math.max(0, scores?.[i]?.score ?? 1));
  const total = raw.reduce((sum, score) => sum + score, 0);
  const chance = arm === undefined ? part : settled ? 1 : 0;
  const why =
    arm === undefined
      ? `${name}, ${toPercent(part)} of the requests`
      : `${name}, ${settled ? "" : "not "}this request's`;
  return targets.map((target, i) => {
    const within = total > 0 && total < Infinity ? raw[i]! / total : 1 / targets.length;
    const note = scores?.[i]?.note;
    return [target, { id: target.id, score: chance * within, note: note === undefined ? why : `${why}; ${note}` }];
  });
}

function isKey(value: unknown): boolean {
  return typeof value === "function" || (typeof value === "string" && /^header:[!#$%&'*+.^_`|~\w-]+$/.test(value));
}

function toReader(by: SplitKey | undefined): (x: Exchange) => string | undefined {
  if (by === undefined) return () => undefined;
  const header = typeof by === "string" ? by.slice("header:".length).toLowerCase() : "";
  const read = typeof by === "string" ? (x: Exchange): unknown => x.headers[header] : by;
  return (x) => {
    const value = read(x);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
}

/** The same for every proxy and after every restart. */
function toPoint(key: string): number {
  return (hashText(key, 0) >>> 0) / 2 ** 32;
}

function toPercent(part: number): string {
  return `${Number((part * 100).toPrecision(3))} %`;
}
