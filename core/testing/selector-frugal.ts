import assert from "node:assert/strict";
import { fakeExchange, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import type { Fresh, Requests } from "./selector-play.ts";

const picks = 2_000;
/** The engine compiles when it sees fit, on a busy machine late: so many rounds at least, and milliseconds. */
const [rounds, patience] = [30, 1_000] as const;

/** Bytes per pick: for a dozen numbers that the engine puts into boxes, or a key; not for a list of the targets. */
const most = 256;

export function frugal(test: Test, fresh: Fresh, { exchange }: Requests): void {
  test(`allocates at most ${most} bytes per pick among 100 targets`, async () => {
    const targets = fakeTargets(100, (index) => ({ weight: 1 + (index % 3) }));
    const { selector } = await fresh(targets);
    let least = Infinity;
    const started = performance.now();
    for (let round = 0; least > most && (round < rounds || performance.now() < started + patience); round++) {
      const exchanges = Array.from({ length: picks }, (_, i) => fakeExchange(exchange?.(`key-${i % 50}`)));
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < picks; i++) selector.pick(targets, exchanges[i]!);
      const grown = process.memoryUsage().heapUsed - before;
      // Below 0 the collector ran; the leanest round is what a pick costs.
      if (grown >= 0) least = Math.min(least, grown / picks);
    }
    assert.ok(least <= most, `allocates ${Math.round(least)} bytes per pick`);
  });
}
