import { dialerOf, type Target } from "../../core/index.ts";
import type { Prober } from "./_probe.ts";

export interface ChecksOptions {
  readonly fall: number;
  readonly rise: number;
  readonly prober: Prober;
  /** A target is down for a reason, or up; `first` is the word of its first probe. */
  turned(id: string, failure: string | undefined, first: boolean): void;
  /** A probe has passed, whatever was known before. */
  passed?(target: Target): void;
}

/** The checks of the targets there are. */
export interface Checks {
  /**
   * Forgets the targets that left and probes those that are new; resolves when these have an answer. Of those that are
   * `trusted` the first failure is one of `fall`, and not enough.
   */
  follow(targets: readonly Target[], trusted?: ReadonlySet<Target>): Promise<void>;
  /** Probes all that are not being probed; thousands are spread over `within` milliseconds. */
  round(within: number): void;
  stop(): void;
}

interface Check {
  readonly id: string;
  readonly target: Target;
  /** Undefined until the first probe. */
  up: boolean | undefined;
  /** Probes in a row that said the opposite of `up`. */
  streak: number;
  running: AbortController | undefined;
}

/** Probes that begin in one turn: thousands would hold up the requests. */
const lotSize = 64;

export function createChecks(options: ChecksOptions): Checks {
  const checks = new Map<string, Check>();
  let stopped = false;
  let later: NodeJS.Timeout | undefined;

  async function probe(check: Check): Promise<void> {
    const cancel = (check.running = new AbortController());
    const failure = await options.prober.probe(check.target, cancel);
    check.running = undefined;
    // What a target said that has left meanwhile concerns nobody.
    if (checks.get(check.id) !== check || failure === null) return;
    if (failure === undefined) options.passed?.(check.target);
    const first = check.up === undefined;
    if (turns(check, failure === undefined, options)) options.turned(check.id, failure, first);
  }

  function forget(check: Check): void {
    checks.delete(check.id);
    check.running?.abort();
  }

  return {
    async follow(targets, trusted) {
      if (stopped) return;
      const present = new Map(targets.map((target) => [target.id, target]));
      for (const check of checks.values()) if (!isSame(present.get(check.id), check.target)) forget(check);
      const added = [...present.values()].filter(({ id }) => !checks.has(id));
      await Promise.all(
        added.map((target) => {
          const { id } = target;
          const check: Check = { id, target, up: trusted?.has(target) || undefined, streak: 0, running: undefined };
          checks.set(id, check);
          return probe(check);
        }),
      );
    },
    round(within) {
      const all = [...checks.values()];
      const pause = within / Math.ceil(all.length / lotSize);
      const probeFrom = (from: number): void => {
        for (const check of all.slice(from, from + lotSize)) {
          if (check.running === undefined && checks.get(check.id) === check) void probe(check);
        }
        if (from + lotSize < all.length) later = setTimeout(() => probeFrom(from + lotSize), pause);
      };
      clearTimeout(later);
      probeFrom(0);
    },
    stop() {
      stopped = true;
      clearTimeout(later);
      for (const check of checks.values()) forget(check);
    },
  };
}

/** What is probed has not changed. */
function isSame(now: Target | undefined, before: Target): boolean {
  return now?.origin === before.origin && dialerOf(now).text === dialerOf(before).text;
}

/** Counts one probe; true if it was the one that turns the target. */
function turns(check: Check, passed: boolean, { fall, rise }: ChecksOptions): boolean {
  check.streak = passed === check.up ? 0 : check.streak + 1;
  const enough = check.up === undefined ? 1 : passed ? rise : fall;
  if (check.streak < enough) return false;
  check.up = passed;
  check.streak = 0;
  return true;
}
