/** Which targets warm up; plain values, so that they outlive a reload and `explain` has a copy of them. */
export interface Warming {
  /** By id: when it came, or came back. */
  readonly since: Map<string, number>;
  /** Another number after each change of which targets these are. */
  version: number;
  /** When the last of them has its whole share. */
  end: number;
  /** The first targets are there: those of the start are not new. */
  begun: boolean;
}

export interface Course {
  /** Milliseconds. */
  readonly over: number;
  /** 0..1 */
  readonly from: number;
}

export function createWarming(): Warming {
  return { since: new Map(), version: 0, end: 0, begun: false };
}

export function beginWarming(warming: Warming, id: string, now: number, { over }: Course): void {
  warming.since.set(id, now);
  warming.end = Math.max(warming.end, now + over);
  warming.version += 1;
}

/** Forgets those that are warm once all of them are; true when any is left. */
export function someWarming(warming: Warming, now: number): boolean {
  if (now < warming.end) return warming.since.size > 0;
  warming.since.clear();
  warming.version += 1;
  return false;
}

/** 0..1: the part of its share that a target has. */
export function shareOf({ since }: Warming, id: string, now: number, { over, from }: Course): number {
  const begun = since.get(id);
  return begun === undefined ? 1 : Math.min(1, from + ((1 - from) * (now - begun)) / over);
}
