import type { Exchange, Plugin, Score, Selector, Target } from "../../core/index.ts";
import type { Rate } from "./_best.ts";
import { ofList } from "./_of-list.ts";

/** In place of a score, for what must not be picked: lower than any. */
export const never: number = -Infinity;

export interface Part {
  readonly name: string;
  readonly selector: Selector & Required<Pick<Selector, "score">>;
  /** 0 to 1; those of all parts together are 1. */
  readonly weight: number;
}

/** Throws when a selector has no scores to add up. */
export function toParts(
  given: readonly (readonly [Plugin, number])[],
  create: (plugin: Plugin) => Selector,
): readonly Part[] {
  const most = Math.max(...given.map(([, weight]) => weight));
  const total = given.reduce((sum, [, weight]) => sum + weight / most, 0);
  return given.map(([plugin, weight]) => {
    const selector = create(plugin);
    if (!hasScore(selector)) throw new Error(`${plugin.name} gives no scores that could be added up; leave it out`);
    return { name: plugin.name, selector, weight: weight / most / total };
  });
}

function hasScore(selector: Selector): selector is Part["selector"] {
  return selector.score !== undefined;
}

/** Makes a rate out of those of all parts; what the filter drops, or may not be picked for its weight, is `never`. */
export function createSum(
  parts: readonly Part[],
  filter: ((target: Target, x: Exchange) => boolean) | undefined,
): Rate {
  const starts = ofList(toStarts);
  let raw = new Float64Array(0);
  return (targets, x, into) => {
    const { length } = targets;
    if (raw.length < length) raw = new Float64Array(length);
    const { values, whole } = starts(targets);
    into.set(values);
    const all = filter === undefined && whole;
    if (filter !== undefined) {
      for (let i = 0; i < length; i++) if (into[i] !== never && !filter(targets[i]!, x)) into[i] = never;
    }
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!;
      // A part that leaves one out gives it nothing.
      raw.fill(0, 0, length);
      part.selector.score(targets, x, raw);
      if (!all || !addAll(raw, length, part, into)) add(raw, length, part, into);
    }
  };
}

/** One of weight 0 among others takes nothing, not even where no other passes the filter; nor does it set the measure. */
function toStarts(targets: readonly Target[]): { values: Float64Array; whole: boolean } {
  const some = targets.some(({ weight }) => weight > 0);
  const values = Float64Array.from(targets, ({ weight }) => (!some || weight > 0 ? 0 : never));
  return { values, whole: !values.includes(never) };
}

/** Passed on as it is: a weight alone would be put into a box for each call. */
type Weighted = Pick<Part, "weight">;

/** As `add`, twice as fast, where none is left out and all are scores; false: it did nothing, for some are none. */
function addAll(raw: Float64Array, length: number, { weight }: Weighted, into: Float64Array): boolean {
  let most = 0;
  for (let i = 0; i < length; i++) {
    const value = raw[i]!;
    if (value > most) most = value;
    else if (!(value >= 0)) return false;
  }
  if (most === 0 || most === Infinity) return most === 0;
  const factor = weight / most;
  for (let i = 0; i < length; i++) into[i]! += raw[i]! * factor;
  return true;
}

function add(raw: Float64Array, length: number, { weight }: Weighted, into: Float64Array): void {
  let most = 0;
  for (let i = 0; i < length; i++) {
    const value = raw[i]!;
    if (value > most && value < Infinity && into[i] !== never) most = value;
  }
  if (most === 0) return;
  const factor = weight / most;
  for (let i = 0; i < length; i++) {
    const value = raw[i]!;
    // Anything else is no score, and would be none in a sum.
    if (value > 0 && value <= most) into[i]! += value * factor;
  }
}

/** Makes a pick by chance, in proportion to the scores; all alike if none of them has any. */
export function createDraw(
  rate: Rate,
  random: () => number,
): (targets: readonly Target[], x: Exchange) => Target | undefined {
  let scores = new Float64Array(0);
  return (targets, x) => {
    const { length } = targets;
    if (scores.length < length) scores = new Float64Array(length);
    rate(targets, x, scores);
    const chance = random();
    let found = draw(scores, length, chance);
    if (found === -1) {
      for (let i = 0; i < length; i++) if (scores[i] !== never) scores[i] = 1;
      found = draw(scores, length, chance);
    }
    return found === -1 ? undefined : targets[found];
  };
}

/** Index of the one drawn; -1 when no score is above 0. */
function draw(scores: Float64Array, length: number, chance: number): number {
  let total = 0;
  for (let i = 0; i < length; i++) if (scores[i]! > 0) total += scores[i]!;
  let left = chance * total;
  let found = -1;
  for (let i = 0; i < length; i++) {
    const score = scores[i]!;
    if (!(score > 0)) continue;
    found = i;
    left -= score;
    if (left < 0) break;
  }
  return found;
}

export function explainParts(
  parts: readonly Part[],
  sum: Rate,
  targets: readonly Target[],
  x: Exchange,
): readonly Score[] {
  const total = new Float64Array(targets.length);
  sum(targets, x, total);
  const told = parts.map(({ selector, name, weight }) => {
    const raw = new Float64Array(targets.length);
    selector.score(targets, x, raw);
    const part = total.map((each) => (each === never ? never : 0));
    add(raw, targets.length, { weight: 1 }, part);
    const notes = selector.explain?.(targets, x);
    return (i: number): string => {
      const note = notes?.[i]?.note;
      return `${name} ${toFigure(part[i]!)} times ${toFigure(weight)}${note === undefined ? "" : ` (${note})`}`;
    };
  });
  return targets.map(({ id }, i) => {
    if (total[i] === never) return { id, score: 0, note: "left out by the filter, or for its weight 0" };
    return { id, score: total[i]!, note: told.map((tell) => tell(i)).join(", ") };
  });
}

function toFigure(value: number): string {
  return `${Number(value.toPrecision(2))}`;
}
