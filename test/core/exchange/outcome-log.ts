import type { Exchange, Outcome, Plugin, Target } from "plugboard";
import { counter } from "../../wire/waiting.ts";
import { hooks } from "../quick-plugin.ts";

export interface Told {
  readonly hook: "attemptEnd" | "end";
  readonly x: Exchange;
  readonly target: Target | undefined;
  readonly outcome: Outcome;
}

export interface OutcomeLog {
  readonly plugin: Plugin;
  /** All that observers were told, in order. */
  readonly told: readonly Told[];
  readonly attempts: readonly Outcome[];
  readonly ends: readonly Outcome[];
  ended(count: number): Promise<void>;
}

export function outcomeLog(): OutcomeLog {
  const told: Told[] = [];
  const ends = counter();
  const plugin = hooks(
    {
      attemptEnd: (x, target, outcome) => void told.push({ hook: "attemptEnd", x, target, outcome }),
      end(x, outcome) {
        told.push({ hook: "end", x, target: undefined, outcome });
        ends.add();
        return undefined;
      },
    },
    "outcome-log",
  );
  const of = (hook: Told["hook"]): Outcome[] => told.filter((each) => each.hook === hook).map(({ outcome }) => outcome);
  return {
    plugin,
    told,
    get attempts() {
      return of("attemptEnd");
    },
    get ends() {
      return of("end");
    },
    ended: (count) => ends.reached(count),
  };
}
