/** Runs something once after so many milliseconds; the result calls it off. */
export type Alarm = (run: () => void, ms: number) => () => void;

const longest = 2 ** 31 - 1;

/** A timer that keeps no process alive, and is early where Node could not wait that long. */
export const alarm: Alarm = (run, ms) => {
  const timer = setTimeout(run, Math.min(Math.max(ms, 0), longest)).unref();
  return () => clearTimeout(timer);
};

/** Has a deadline; what stands here belongs to the queue that it is in. */
export interface Due {
  at: number;
  /** Its place in the queue; -1: it is in none. */
  place: number;
}

export interface Deadlines<T extends Due> {
  /** An earlier deadline counts at once. One that moved on is found out when the old one comes, which costs nothing now. */
  set(item: T, at: number): void;
  remove(item: T): void;
  /** Tells what is due by now; done before anything is read, so that a late timer shows nowhere. */
  settle(): void;
  close(): void;
}

export interface DeadlinesOptions<T> {
  readonly now: () => number;
  readonly alarm: Alarm;
  /** Returns the next deadline of the item, or undefined if it has none. */
  due(item: T): number | undefined;
}

/** A binary heap of what lapses, and the one timer for the first of it. */
export function createDeadlines<T extends Due>({ now, alarm: start, due }: DeadlinesOptions<T>): Deadlines<T> {
  const heap: T[] = [];
  let cancel: (() => void) | undefined;
  let armedFor = Infinity;

  function arm(): void {
    const first = heap[0]?.at ?? Infinity;
    if (first === armedFor) return;
    cancel?.();
    armedFor = first;
    cancel = first === Infinity ? undefined : start(ring, first - now());
  }

  function ring(): void {
    armedFor = Infinity;
    cancel = undefined;
    settle();
    arm();
  }

  function settle(): void {
    for (let first = heap[0]; first !== undefined && first.at <= now(); first = heap[0]) {
      const next = due(first);
      // What was told may have taken it out.
      if (first.place === -1) continue;
      if (next === undefined) take(heap, first);
      else move(heap, first, next);
    }
  }

  return {
    set(item, at) {
      if (item.place === -1) {
        item.at = at;
        item.place = heap.push(item) - 1;
        up(heap, item);
      } else if (at < item.at) move(heap, item, at);
      arm();
    },
    remove(item) {
      if (item.place !== -1) take(heap, item);
      arm();
    },
    settle,
    close() {
      cancel?.();
      cancel = undefined;
      for (const item of heap) item.place = -1;
      heap.length = 0;
    },
  };
}

function move<T extends Due>(heap: T[], item: T, at: number): void {
  item.at = at;
  up(heap, item);
  down(heap, item);
}

function take<T extends Due>(heap: T[], item: T): void {
  const last = heap.pop() as T;
  if (last !== item) {
    heap[item.place] = last;
    last.place = item.place;
    up(heap, last);
    down(heap, last);
  }
  item.place = -1;
}

function up<T extends Due>(heap: T[], item: T): void {
  let { place } = item;
  while (place > 0) {
    const above = (place - 1) >> 1;
    const parent = heap[above] as T;
    if (parent.at <= item.at) break;
    heap[place] = parent;
    parent.place = place;
    place = above;
  }
  heap[place] = item;
  item.place = place;
}

function down<T extends Due>(heap: T[], item: T): void {
  let { place } = item;
  for (;;) {
    let below = 2 * place + 1;
    if (below + 1 < heap.length && (heap[below + 1] as T).at < (heap[below] as T).at) below += 1;
    const child = heap[below];
    if (child === undefined || child.at >= item.at) break;
    heap[place] = child;
    child.place = place;
    place = below;
  }
  heap[place] = item;
  item.place = place;
}
