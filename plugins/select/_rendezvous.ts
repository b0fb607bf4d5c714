import type { Target, TargetStats } from "../../core/index.ts";
import { toFace } from "./_face.ts";
import { finish, hashText, seeds } from "./_hash.ts";
import { weightsOf } from "./_of-list.ts";

/** What is known of a list before there is a key. */
export interface Ring {
  readonly targets: readonly Target[];
  readonly live: readonly Readonly<TargetStats>[];
  readonly weights: Float64Array;
  readonly total: number;
  /** One number: requests that each may have under way at most, for each unit of its weight; Infinity for no bound. */
  readonly share: Float64Array;
  /** Two hashes of each target. */
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
    share: new Float64Array(1),
    hashes: Int32Array.from(faces, (face) => hashText(face, seeds[0])),
    others: Int32Array.from(faces, (face) => hashText(face, seeds[1])),
  };
}

/** Index of the highest score for a key of two hashes, among those that are not at their bound; `bound` 0: there is none. */
export function findHighest(ring: Ring, key: Int32Array, bound: number): number {
  ring.share[0] = Infinity;
  const home = findIn(ring, key);
  if (bound === 0) return home;
  measureShare(ring, bound);
  if (!isFull(ring, home)) return home;
  const next = findIn(ring, key);
  return next === -1 ? home : next;
}

/** The score of each for a key: highest random weight. */
export function scoresOf(ring: Ring, key: Int32Array): number[] {
  return ring.targets.map(
    (_, i) => ring.weights[i]! / -Math.log(1 - ((mix(ring, i, key[0]!, key[1]!) >>> 0) + 0.5) / 2 ** 32),
  );
}

/** Requests that each may have under way at most, this one included; by index. */
export function capacities(ring: Ring, bound: number): number[] {
  ring.share[0] = Infinity;
  if (bound !== 0) measureShare(ring, bound);
  return ring.targets.map((_, i) => Math.ceil(ring.share[0]! * ring.weights[i]!));
}

function findIn(ring: Ring, key: Int32Array): number {
  const { targets, weights } = ring;
  const isBound = ring.share[0] !== Infinity;
  const hash = key[0]!;
  const other = key[1]!;
  let found = -1;
  let most = 0;
  for (let i = 0; i < targets.length; i++) {
    const weight = weights[i]!;
    const rest = ((mix(ring, i, hash, other) >>> 0) + 0.5) / 2 ** 32;
    // -ln(1 - rest) is never below rest, so hardly any needs its logarithm.
    if (!(weight > 0) || weight < most * rest) continue;
    const score = weight / -Math.log(1 - rest);
    if (score < most || (score === most && targets[i]!.id >= targets[found]!.id)) continue;
    if (isBound && isFull(ring, i)) continue;
    most = score;
    found = i;
  }
  return found;
}

/** 32 bits, alike for alike target and key, with no pattern in them. No fraction yet: a call would put that into a box. */
function mix({ hashes, others }: Ring, index: number, hash: number, other: number): number {
  const mixed = Math.imul(hashes[index]! ^ hash, 0x9e3779b1);
  return finish(mixed ^ (mixed >>> 15) ^ others[index]! ^ other);
}

function measureShare({ live, total, share }: Ring, bound: number): void {
  let under = 1;
  for (let i = 0; i < live.length; i++) {
    const { inflight } = live[i]!;
    if (inflight > 0) under += inflight;
  }
  share[0] = (bound * under) / total;
}

function isFull({ live, share, weights }: Ring, index: number): boolean {
  return live[index]!.inflight + 1 > Math.ceil(share[0]! * weights[index]!);
}
