import type { Exchange } from "../../core/index.ts";

/** Those who wait, in the order in which it is their turn. */
export type Line = Waiter[];

export interface Place {
  /** The lower, the sooner it is its turn. */
  readonly priority: number;
  /** Among equals, who came first has the lower one. */
  readonly number: number;
  /** Milliseconds that it may wait, now and when it has to come back. */
  readonly wait: number;
}

/** A request that has to wait; made when it first has to, so that it finds its place again when it comes back. */
export class Waiter {
  readonly x: Exchange;
  readonly priority: number;
  readonly number: number;
  /** `performance.now()` */
  readonly until: number;
  line: Line | undefined = undefined;
  /** The change of load and health since which it has found no place. */
  passed = -1;
  #timer: NodeJS.Timeout | undefined = undefined;
  #settle: ((turn: boolean) => void) | undefined = undefined;

  constructor(x: Exchange, { priority, number, wait }: Place) {
    this.x = x;
    this.priority = priority;
    this.number = number;
    this.until = performance.now() + wait;
  }

  /** Its time is up. */
  get late(): boolean {
    return performance.now() >= this.until;
  }

  /** Stands in line; true: it is its turn, false: its time was up, or it left. */
  wait(line: Line): Promise<boolean> {
    this.move(line);
    this.#timer = setTimeout(() => this.leave(), Math.ceil(this.until - performance.now()));
    return new Promise((resolve) => (this.#settle = resolve));
  }

  /** Goes to another line, at the place that it would have there by now. */
  move(line: Line): void {
    this.#stepOut();
    line.splice(placeIn(line, this), 0, this);
    this.line = line;
  }

  /** It is its turn. */
  go(): void {
    this.#end(true);
  }

  leave(): void {
    this.#end(false);
  }

  #end(turn: boolean): void {
    this.#stepOut();
    clearTimeout(this.#timer);
    this.#settle?.(turn);
    this.#settle = undefined;
  }

  #stepOut(): void {
    if (this.line !== undefined) this.line.splice(placeIn(this.line, this), 1);
    this.line = undefined;
  }
}

/** Where it stands, or would. */
function placeIn(line: Line, { priority, number }: Waiter): number {
  let low = 0;
  let high = line.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = line[middle]!;
    if (other.priority < priority || (other.priority === priority && other.number < number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
