import type { Target } from "../../core/index.ts";
import { createHeap } from "./_heap.ts";
import { shareOf } from "./_share.ts";

/** A list of targets in order of their load, kept so by being told of each change. */
export interface LoadHeap {
  readonly targets: readonly Target[];
  /** Index of the least loaded, of equals the one that was picked the longest ago; it moves to the end of its equals. */
  next(): number;
  /** To be called after each change of a target's counters, known here or not. */
  changed(live: Target["live"]): void;
}

/**
 * `(inflight + 1) / weight`; without a weight it is `inflight + 1` where no other has one, and infinite else. A count
 * below zero, should there ever be one, must not draw all the traffic.
 */
export function loadOf(target: Target, weightless: boolean): number {
  const { inflight } = target.live;
  return ((inflight > 0 ? inflight : 0) + 1) / (weightless ? 1 : target.weight);
}

/** Whether none has a weight, so that all count alike. */
export function isWeightless(targets: readonly Target[]): boolean {
  for (let i = 0; i < targets.length; i++) if (targets[i]!.weight > 0) return false;
  return true;
}

/** How good each is by its load, for `score` of a selector: 0 without a weight, twice as much for half the load. */
export function rateByLoad(targets: readonly Target[], into: Float64Array): void {
  const weightless = isWeightless(targets);
  for (let i = 0; i < targets.length; i++) {
    const target = targets[i] as Target;
    into[i] = weightless || target.weight > 0 ? shareOf(target) : 0;
  }
}

/** Of equals the one at `from` is the first to be picked, as if the one before it were the last that was. */
export function createLoadHeap(targets: readonly Target[], from: number): LoadHeap {
  const { length } = targets;
  const weightless = isWeightless(targets);
  const loads = new Float64Array(length);
  const turns = new Float64Array(length);
  const members = membersOf(targets, weightless);
  const faces = linkFaces(targets, members);
  let turn = 2 * length;
  for (let index = 0; index < length; index++) {
    loads[index] = loadOf(targets[index]!, weightless);
    turns[index] = index < from ? index + length : index;
  }
  const heap = createHeap(members, length, (one, other) => {
    const a = loads[one]!;
    const b = loads[other]!;
    return a < b || (a === b && turns[one]! < turns[other]!);
  });

  function refresh(index: number): void {
    const load = loadOf(targets[index]!, weightless);
    const before = loads[index]!;
    if (load === before) return;
    loads[index] = load;
    if (load < before) heap.rise(index);
    else heap.sink(index);
  }

  return {
    targets,
    next() {
      const index = heap.first();
      turns[index] = turn++;
      heap.sink(index);
      return index;
    },
    changed(live) {
      for (let index = faces.first.get(live) ?? -1; index !== -1; index = faces.next[index]!) refresh(index);
    },
  };
}

/** Those that may be picked: one without a weight is never in the heap while another has one. */
function membersOf(targets: readonly Target[], weightless: boolean): Uint32Array {
  const members = new Uint32Array(targets.length);
  let count = 0;
  for (let i = 0; i < targets.length; i++) if (weightless || targets[i]!.weight > 0) members[count++] = i;
  return members.subarray(0, count);
}

interface Faces {
  readonly first: ReadonlyMap<Target["live"], number>;
  /** -1 after the last. */
  readonly next: Int32Array;
}

/** Several faces of one target have its counters in common: from the first of them on, each leads to the next. */
function linkFaces(targets: readonly Target[], members: Uint32Array): Faces {
  const first = new Map<Target["live"], number>();
  const next = new Int32Array(targets.length);
  for (let i = 0; i < members.length; i++) {
    const index = members[i]!;
    const { live } = targets[index]!;
    next[index] = first.get(live) ?? -1;
    first.set(live, index);
  }
  return { first, next };
}
