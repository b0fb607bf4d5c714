import type { Selector } from "../../core/index.ts";
import { createBest, type Rate } from "./_best.ts";
import { toScores } from "./_share.ts";
import type { Speeds } from "./_speed.ts";

/** A selector that picks the highest rate, of which speeds are a part. */
export function bySpeed(speeds: Speeds, rate: Rate): Selector {
  return {
    pick: createBest(rate),
    score: rate,
    explain: (targets, x) => toScores(targets, x, rate, speeds.note),
    update: speeds.update,
    attemptEnd: speeds.attemptEnd,
  };
}
