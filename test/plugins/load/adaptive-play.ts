import { onTestFinished } from "vitest";
import { fakeExchange, fakeOutcome } from "plugboard/testing";
import type { Outcome } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { loadPlugins, seededState } from "../../../core/testing/plugin.ts";
import type { PoolTarget } from "../../../core/targets/target.ts";
import { type AdaptiveLimitOptions, adaptiveLimit } from "../../../plugins/load/adaptive-limit.ts";

/** What one attempt comes to that begins when so many others are under way. */
export type Answer = (others: number) => Partial<Outcome> & { readonly duration: number };

/** One target, and clients that a test tells how many they are. By a clock of its own. */
export interface Play {
  readonly limit: number;
  /** The least that the limit was. */
  readonly least: number;
  /** So many milliseconds with that many clients, each of which asks again as soon as it has its answer. */
  run(ms: number, clients: number, answer: Answer): void;
}

export async function play(options: AdaptiveLimitOptions = {}): Promise<Play> {
  let now = 0;
  const state = seededState();
  const plugins = [
    staticTargets({ targets: ["http://127.0.0.1:9"] }),
    roundRobin(),
    adaptiveLimit({ ...options, now: () => now }),
  ];
  const generation = await loadPlugins(plugins, state);
  onTestFinished(() => generation.close());
  await generation.start();
  generation.goLive();
  const target = generation.registry.pool("default").snapshot.all[0] as PoolTarget;
  const { live } = target;
  const { attemptEnd } = generation.main.base.phases;
  const ends: { readonly at: number; readonly outcome: Outcome }[] = [];
  let least = live.most;

  function begin(answer: Answer): void {
    const outcome = answer(live.inflight);
    state.ledger.started(live);
    ends.push({ at: now + outcome.duration, outcome: fakeOutcome({ ttfb: outcome.duration, ...outcome }) });
  }

  function endNext(): void {
    const next = ends.reduce((first, each, i) => (each.at < ends[first]!.at ? i : first), 0);
    const [ended] = ends.splice(next, 1);
    now = ended!.at;
    state.ledger.ended(live);
    attemptEnd?.(fakeExchange(), target, ended!.outcome);
    least = Math.min(least, live.most);
  }

  return {
    get limit() {
      return live.most;
    },
    get least() {
      return least;
    },
    run(ms, clients, answer) {
      const until = now + ms;
      while (now < until) {
        while (live.inflight < Math.min(clients, live.most)) begin(answer);
        endNext();
      }
    },
  };
}

/** Takes `ms` for up to `capacity` at once, and in proportion longer for more. */
export const serving =
  (ms: number, capacity: number): Answer =>
  (others) => ({ duration: ms * Math.max(1, (others + 1) / capacity) });
