import type { Target, TargetStats } from "../../core/index.ts";
import { toFace } from "./_face.ts";
import { finish, hashText } from "./_hash.ts";
import { weightsOf } from "./_of-list.ts";

const seed = 0;
const otherSeed = 0x2545f491;

/** What is known of a list before there is a key. */
export interface Ring {
  readonly targets: readonly Target[];
  readonly live: readonly Readonly<TargetStats>[];
  readonly weights: Float64Array;
  readonly total: number;
  /** Two hashes of each target: among ten thousand, two are likely to have one in common. */
  readonly hashes: Int32Array;
  readonly others: Int32Array;
}

export function toRing(targets: readonly Target[]): Ring {
  const weights = weightsOf(targets);
  const faces = targets.map(toFace);
  return {
    targets,
    live: targets.map(({ live }) => live),
    weights,
    total: weights.reduce((sum, weight) => sum + weight, 0),
    hashes: Int32Array.from(faces, (face) => hashText(face, seed)),
    others: Int32Array.from(faces, (face) => hashText(face, otherSeed)),
  };
}

/** Index of the highest score among those that are not at their bound; `bound` 0: there is none. */
export function findHighest(ring: Ring, key: string, bound: number): number {
  const [hash, other] = [hashText(key, seed), hashText(key, otherSeed)];
  const home = findIn(ring, hash, other, Infinity);
  if (bound === 0) return home;
  const share = shareOf(ring, bound);
  if (ring.live[home]!.inflight + 1 <= capacity(ring, home, share)) return home;
  const next = findIn(ring, hash, other, share);
  return next === -1 ? home : next;
}

/** The score of each for a key: highest random weight. */
export function scoresOf(ring: Ring, key: string): number[] {
  const [hash, other] = [hashText(key, seed), hashText(key, otherSeed)];
  return ring.targets.map((_, i) => ring.weights[i]! / -Math.log(1 - restOf(ring, i, hash, other)));
}

/** Requests that each may have under way at most, this one included; by index. */
export function capacities(ring: Ring, bound: number): number[] {
  const share = bound === 0 ? Infinity : shareOf(ring, bound);
  return ring.targets.map((_, i) => capacity(ring, i, share));
}

function findIn(ring: Ring, hash: number, other: number, share: number): number {
  const { targets, live, weights } = ring;
  let found = -1;
  let most = 0;
  for (let i = 0; i < targets.length; i++) {
    const weight = weights[i]!;
    const rest = restOf(ring, i, hash, other);
    // -ln(1 - rest) is never below rest, so hardly any needs its logarithm.
    if (!(weight > 0) || weight < most * rest) continue;
    const score = weight / -Math.log(1 - rest);
    if (score < most || (score === most && targets[i]!.id >= targets[found]!.id)) continue;
    if (share !== Infinity && live[i]!.inflight + 1 > capacity(ring, i, share)) continue;
    most = score;
    found = i;
  }
  return found;
}

/** A number in (0, 1), alike for alike target and key, with no pattern in it. */
function restOf({ hashes, others }: Ring, index: number, hash: number, other: number): number {
  const mixed = Math.imul(hashes[index]! ^ hash, 0x9e3779b1);
  return ((finish(mixed ^ (mixed >>> 15) ^ others[index]! ^ other) >>> 0) + 0.5) / 2 ** 32;
}

/** Requests for each unit of weight. */
function shareOf({ live, total }: Ring, bound: number): number {
  let under = 1;
  for (let i = 0; i < live.length; i++) {
    const { inflight } = live[i]!;
    if (inflight > 0) under += inflight;
  }
  return (bound * under) / total;
}

function capacity({ weights }: Ring, index: number, share: number): number {
  return Math.ceil(share * weights[index]!);
}
