import type { ActiveExchange } from "./exchange.ts";

const tick = 50;
/** Ticks without an exchange before the timer stops: it should not start anew for each lone request. */
const patience = 20;

/** All exchanges of a proxy under way, and the one timer that keeps their deadlines. */
export class ActiveList {
  size = 0;
  /** `performance.now()` of the last tick: a clock that costs nothing per chunk, at most one tick late. */
  now: number = performance.now();
  #first: ActiveExchange | undefined = undefined;
  #timer: NodeJS.Timeout | undefined;
  #quiet = 0;
  /** What goes on without an exchange, as long as the proxy does. */
  readonly detached: Set<{ giveUp(): void }> = new Set();
  readonly #check: (x: ActiveExchange, now: number) => void;

  constructor(check: (x: ActiveExchange, now: number) => void) {
    this.#check = check;
  }

  add(x: ActiveExchange): void {
    x.next = this.#first;
    if (this.#first !== undefined) this.#first.previous = x;
    this.#first = x;
    this.size += 1;
    if (this.#timer === undefined) this.#start();
  }

  remove(x: ActiveExchange): void {
    if (x.previous !== undefined) x.previous.next = x.next;
    else this.#first = x.next;
    if (x.next !== undefined) x.next.previous = x.previous;
    x.previous = undefined;
    x.next = undefined;
    this.size -= 1;
  }

  each(visit: (x: ActiveExchange) => void): void {
    for (let x = this.#first; x !== undefined;) {
      const after: ActiveExchange | undefined = x.next; // The visit may remove x.
      visit(x);
      x = after;
    }
  }

  close(): void {
    this.#stop();
    for (const each of this.detached) each.giveUp();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#quiet = 0;
    this.now = performance.now();
    this.#timer = setInterval(() => this.#sweep(), tick).unref();
  }

  #sweep(): void {
    this.now = performance.now();
    if (this.#first === undefined) {
      this.#quiet += 1;
      if (this.#quiet > patience) this.#stop();
      return;
    }
    this.#quiet = 0;
    this.each((x) => this.#check(x, this.now));
  }
}
