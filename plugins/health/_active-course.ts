import type { Reporter, Setup } from "../../core/index.ts";
import type { CheckSettings } from "./_active-options.ts";
import { type Checks, createChecks } from "./_checks.ts";
import { tellPass } from "./_outlier-passes.ts";
import { createProber, createProbeTurns, type Prober } from "./_probe.ts";

/** The checks of the targets that are asked in one way. */
export interface Course {
  readonly checks: Checks;
  readonly interval: number;
  /** Probes them all; not waited for. */
  round(): void;
  close(): Promise<void>;
}

/** Makes courses that report together, and together probe no more than so many targets at once. */
export function createCourses(proxy: Setup, reporter: Reporter): (settings: CheckSettings) => Course {
  const inTurn = createProbeTurns();
  let short = false;

  function tellShortage(): void {
    if (!short)
      proxy.log.warn(
        "a probe could not be made: no file descriptor, port or memory to spare; targets stay as they are",
      );
    short = true;
  }

  return (settings) => {
    const prober = telling(createProber(settings, inTurn), tellShortage);
    const checks = createChecks({
      fall: settings.fall,
      rise: settings.rise,
      prober,
      passed: tellPass,
      turned(id, failure, first) {
        if (failure === undefined) reporter.up(id);
        else reporter.down(id, failure);
        if (failure !== undefined) proxy.log.warn(`target ${id} is down: ${failure}`);
        else if (!first) proxy.log.info(`target ${id} is up again`);
      },
    });
    const { interval } = settings;
    return { checks, interval, round: () => checks.round(interval / 2), close: () => prober.close() };
  };
}

function telling(prober: Prober, shortage: () => void): Prober {
  return {
    async probe(target, cancel) {
      const result = await prober.probe(target, cancel);
      if (result === null) shortage();
      return result;
    },
    close: () => prober.close(),
  };
}
