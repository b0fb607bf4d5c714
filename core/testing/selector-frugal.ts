import assert from "node:assert/strict";
import { GCProfiler } from "node:v8";
import type { Exchange } from "../contract/exchange.ts";
import type { Selector } from "../contract/services.ts";
import type { Target } from "../contract/target.ts";
import { seededRandom } from "../seeded-random.ts";
import { fakeExchange, fakeTargets } from "./fakes.ts";
import { seededState, type Test } from "./plugin.ts";
import type { Fresh, Requests } from "./selector-play.ts";

const picks = 2_000;
/** The engine compiles when it sees fit, on a busy machine late: so many rounds at least, and milliseconds. */
const [rounds, patience] = [30, 3_000] as const;

/**
 * Bytes per pick: a number in a box. None is too little to ask, for a clock gives its time in a box, as does the engine
 * what a function returns that it does not inline. A string takes 24 at least, an object with one field 32.
 */
const most = 16;

export function frugal(test: Test, fresh: Fresh, { exchange }: Requests): void {
  test(`allocates at most ${most} bytes per pick among 100 targets`, async () => {
    const targets = fakeTargets(100, (index) => ({ weight: 1 + (index % 3) }));
    const { selector } = await fresh(targets, Object.assign(seededState(), { random: boxedRandom() }));
    const create = (index: number): Exchange => fakeExchange(exchange?.(`key-${index % 50}`));
    const bytes = bytesPerPick({ selector, targets, create, enough: most });
    assert.ok(bytes <= most, `allocates ${bytes} bytes per pick`);
  });
}

export interface Picking {
  readonly selector: Selector;
  readonly targets: readonly Target[];
  /** Makes the exchange of a pick. */
  readonly create: (index: number) => Exchange;
  /** So few bytes need not be measured again. */
  readonly enough: number;
}

/** What a pick allocates once the engine has compiled what it takes. */
export function bytesPerPick({ selector, targets, create, enough }: Picking): number {
  let least = Infinity;
  const started = performance.now();
  for (let round = 0; least > enough && (round < rounds || performance.now() < started + patience); round++) {
    // Made beforehand, but anew for each round: what is made for each request is not to be found the second time.
    const exchanges = Array.from({ length: picks }, (_, index) => create(index));
    least = Math.min(least, bytesOf(selector, targets, exchanges));
  }
  return least;
}

/** Whole bytes per pick: to look takes a few hundred, too. Infinity when memory was given back meanwhile. */
function bytesOf(selector: Selector, targets: readonly Target[], exchanges: readonly Exchange[]): number {
  const collector = new GCProfiler();
  collector.start();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < exchanges.length; i++) selector.pick(targets, exchanges[i]!);
  const grown = process.memoryUsage().heapUsed - before;
  const isUnspoilt = collector.stop().statistics.length === 0 && grown >= 0;
  return isUnspoilt ? Math.round(grown / exchanges.length) : Infinity;
}

/** Chance that costs nothing: a list that is not of numbers alone has each of them in a box already. */
function boxedRandom(): () => number {
  const random = seededRandom(1);
  const drawn: readonly unknown[] = ["", ...Array.from({ length: 1_024 }, () => random())];
  let next = 0;
  return () => drawn[1 + (next++ % 1_024)] as number;
}
