import type { Target } from "../../core/index.ts";
import { idOf, toFace } from "./_face.ts";

/** Targets remembered for each block, the latest first. */
export const ownersPerBlock = 8;

const mostOwners = 0xffff;

/**
 * Which targets saw which blocks last: a hash table in which the entries also stand in the order of their last use. It
 * is data only, so that it can be kept and copied. Entries count from 1; 0 is none.
 */
export interface PrefixStore {
  readonly max: number;
  /** Bytes of a block. */
  readonly block: number;
  /** First entry of each bucket; next one in the same bucket. */
  readonly buckets: Uint32Array;
  readonly next: Uint32Array;
  readonly hashes: Int32Array;
  readonly newer: Uint32Array;
  readonly older: Uint32Array;
  /** Numbers of targets, a few for each entry. */
  readonly owners: Uint16Array;
  /** The number of each target, by face. */
  readonly numbers: Map<string, number>;
  readonly freeNumbers: number[];
  /** Changes when a number may have come to mean another target. */
  version: number;
  size: number;
  newest: number;
  oldest: number;
  /** First of the entries that were given up, chained by `next`. */
  free: number;
}

/** Takes 32 bytes for each block, and 4 to 8 for its bucket. */
export function createStore(max: number, block: number): PrefixStore {
  const buckets = 2 ** Math.ceil(Math.log2(max + 1));
  return {
    max,
    block,
    buckets: new Uint32Array(buckets),
    next: new Uint32Array(max + 1),
    hashes: new Int32Array(max + 1),
    newer: new Uint32Array(max + 1),
    older: new Uint32Array(max + 1),
    owners: new Uint16Array((max + 1) * ownersPerBlock),
    numbers: new Map(),
    freeNumbers: [],
    version: 0,
    size: 0,
    newest: 0,
    oldest: 0,
    free: 0,
  };
}

/** Writes the entries of the first blocks, as far as all are known; gives how many. */
export function findBlocks(store: PrefixStore, hashes: Int32Array, count: number, into: Uint32Array): number {
  for (let i = 0; i < count; i++) {
    const entry = findEntry(store, hashes[i]!);
    if (entry === 0) return i;
    into[i] = entry;
  }
  return count;
}

/** Notes that a target has seen these blocks; the first ones are given up last. */
export function rememberBlocks(store: PrefixStore, hashes: Int32Array, count: number, owner: number): void {
  for (let i = Math.min(count, store.max) - 1; i >= 0; i--) {
    const known = findEntry(store, hashes[i]!);
    if (known !== 0) unlink(store, known);
    const entry = known === 0 ? addEntry(store, hashes[i]!) : known;
    linkNewest(store, entry);
    addOwner(store.owners, entry * ownersPerBlock, owner);
  }
}

/** The number of a target, given at its first call; 0 when there are too many. */
export function numberOf(store: PrefixStore, target: Target): number {
  const face = toFace(target);
  const known = store.numbers.get(face);
  if (known !== undefined) return known;
  const number = store.freeNumbers.pop() ?? store.numbers.size + 1;
  if (number > mostOwners) return 0;
  store.numbers.set(face, number);
  return number;
}

/** Forgets what targets saw that are not among these. */
export function forgetOthers(store: PrefixStore, all: readonly Target[]): void {
  const ids = new Set(all.map((target) => target.id));
  const gone = [...store.numbers].filter(([face]) => !ids.has(idOf(face)));
  if (gone.length === 0) return;
  for (const [face, number] of gone) {
    store.numbers.delete(face);
    store.freeNumbers.push(number);
  }
  store.version += 1;
  const numbers = new Set(gone.map(([, number]) => number));
  for (let entry = store.oldest; entry !== 0;) {
    const newer = store.newer[entry]!;
    if (dropOwners(store.owners, entry * ownersPerBlock, numbers) === 0) giveUp(store, entry);
    entry = newer;
  }
}

function bucketOf({ buckets }: PrefixStore, hash: number): number {
  return (hash >>> 0) & (buckets.length - 1);
}

function findEntry(store: PrefixStore, hash: number): number {
  let entry = store.buckets[bucketOf(store, hash)]!;
  while (entry !== 0 && store.hashes[entry] !== hash) entry = store.next[entry]!;
  return entry;
}

/** A new entry without owners, in its bucket but not yet in the order of use. */
function addEntry(store: PrefixStore, hash: number): number {
  if (store.free === 0 && store.size === store.max) giveUp(store, store.oldest);
  const entry = store.free === 0 ? ++store.size : store.free;
  if (entry === store.free) store.free = store.next[entry]!;
  const bucket = bucketOf(store, hash);
  store.hashes[entry] = hash;
  store.next[entry] = store.buckets[bucket]!;
  store.buckets[bucket] = entry;
  store.owners.fill(0, entry * ownersPerBlock, (entry + 1) * ownersPerBlock);
  return entry;
}

function giveUp(store: PrefixStore, entry: number): void {
  unlink(store, entry);
  const bucket = bucketOf(store, store.hashes[entry]!);
  if (store.buckets[bucket] === entry) store.buckets[bucket] = store.next[entry]!;
  else {
    let before = store.buckets[bucket]!;
    while (store.next[before] !== entry) before = store.next[before]!;
    store.next[before] = store.next[entry]!;
  }
  store.next[entry] = store.free;
  store.free = entry;
}

function unlink(store: PrefixStore, entry: number): void {
  const newer = store.newer[entry]!;
  const older = store.older[entry]!;
  if (newer === 0) store.newest = older;
  else store.older[newer] = older;
  if (older === 0) store.oldest = newer;
  else store.newer[older] = newer;
}

function linkNewest(store: PrefixStore, entry: number): void {
  store.newer[entry] = 0;
  store.older[entry] = store.newest;
  if (store.newest === 0) store.oldest = entry;
  else store.newer[store.newest] = entry;
  store.newest = entry;
}

function addOwner(owners: Uint16Array, from: number, owner: number): void {
  let moved = owner;
  for (let at = from; at < from + ownersPerBlock; at++) {
    const before = owners[at]!;
    owners[at] = moved;
    if (before === owner || before === 0) return;
    moved = before;
  }
}

/** Gives how many are left. */
function dropOwners(owners: Uint16Array, from: number, gone: ReadonlySet<number>): number {
  let kept = 0;
  for (let at = from; at < from + ownersPerBlock; at++) {
    const owner = owners[at]!;
    if (owner !== 0 && !gone.has(owner)) owners[from + kept++] = owner;
  }
  owners.fill(0, from + kept, from + ownersPerBlock);
  return kept;
}
