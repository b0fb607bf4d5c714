import { definePlugin, type Outcome, type Plugin, type Target } from "plugboard";
import { counter } from "./waiting.ts";

export interface Recorder {
  readonly plugin: Plugin;
  readonly attempts: readonly { readonly target: Target; readonly outcome: Outcome }[];
  readonly ends: readonly Outcome[];
  /** Settles when that many exchanges have ended. */
  ended(count: number): Promise<void>;
}

/** A plugin that keeps what the observers are told, to show that each is told once. */
export function recorder(): Recorder {
  const attempts: { target: Target; outcome: Outcome }[] = [];
  const ends: Outcome[] = [];
  const count = counter();
  const plugin = definePlugin({
    name: "recorder",
    setup: () => ({
      attemptEnd(_x, target, outcome) {
        attempts.push({ target, outcome });
        return undefined;
      },
      end(_x, outcome) {
        ends.push(outcome);
        count.add();
        return undefined;
      },
    }),
  });
  return { plugin: plugin(), attempts, ends, ended: (many) => count.reached(many) };
}
