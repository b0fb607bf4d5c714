import type { Exchange, Plugin } from "plugboard";
import { expect } from "vitest";
import type { Attempt } from "../../core/exchange/attempt.ts";
import type { ActiveExchange } from "../../core/exchange/exchange.ts";
import { hooks } from "../core/quick-plugin.ts";
import { eventually } from "../e2e/eventually.ts";
import { at, counter, within } from "./waiting.ts";

/** Milliseconds: a limit that no test comes to by itself. */
export const hour = 3_600_000;

export interface FirstExchange {
  readonly plugin: Plugin;
  /** As core knows it, which is how a test moves it through time. */
  begun(): Promise<ActiveExchange>;
}

/** A plugin that hands over the first exchange. */
export function firstExchange(): FirstExchange {
  const seen: Exchange[] = [];
  const count = counter();
  const plugin = hooks(
    {
      request(x) {
        seen.push(x);
        count.add();
      },
    },
    "first-exchange",
  );
  return {
    plugin,
    async begun() {
      await within(count.reached(1), "an exchange begins");
      return at(seen) as ActiveExchange;
    },
  };
}

/** What happens begins the wait of the attempt anew, which has lasted since the process began. */
export async function expectWaitRenewed({ current }: ActiveExchange, happens: () => Promise<void>): Promise<void> {
  const attempt = current as Attempt;
  attempt.since = 1;
  await happens();
  await eventually(() => expect(attempt.since).toBeGreaterThan(1));
}
