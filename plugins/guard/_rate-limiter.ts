import type { Exchange, Outcome, Setup } from "../../core/index.ts";
import { remainingOf, showLimits } from "./_rate-headers.ts";
import { createHold, giveBack, type Hold, type Seats, settle, takeSeat } from "./_rate-hold.ts";
import { cannotCount, tooMany, tooManyAtOnce } from "./_rate-refusals.ts";
import type { Rule } from "./_rate-rules.ts";
import { estimateTokens, type Usage } from "./_rate-tokens.ts";
import type { Claim, Meter, RateStore, Taken } from "./_rate-windows.ts";

/** A rule and what it counts. */
export interface Limit {
  readonly rule: Rule;
  readonly requests: Meter;
  readonly tokens: Meter;
  readonly seats: Seats;
}

export interface LimiterOptions {
  readonly limits: readonly Limit[];
  readonly reserve: number;
  readonly headers: boolean;
  readonly unavailable: "local" | "pass" | "refuse";
  readonly now: () => number;
  /** Where to count now. */
  readonly store: () => RateStore;
}

export interface Limiter {
  /** `admitted`: the route and the model are known. Throws what the client is told. */
  enter(x: Exchange, admitted: boolean): void | Promise<void>;
  end(x: Exchange, outcome: Outcome): undefined;
}

type Answer = Taken | undefined;

/** Slots are found by name, and instances of this plugin share nothing. */
let instances = 0;

export function createLimiter(proxy: Setup, options: LimiterOptions): Limiter {
  const { limits, reserve, headers, unavailable, now, store } = options;
  const holds = proxy.slot<Hold>(`rate-limit: hold ${++instances}`);
  const usage = proxy.slot<Usage>("usage");

  function holdOf(x: Exchange): Hold {
    const hold = holds.get(x) ?? createHold();
    holds.set(x, hold);
    return hold;
  }

  /** Keeps what was taken, or throws why it is not enough. */
  function judge(x: Exchange, answers: readonly Answer[]): void {
    const hold = holdOf(x);
    const unfit: Taken[] = [];
    for (const each of answers) {
      if (each === undefined) continue;
      (each.fits ? hold.taken : unfit).push(each);
      note(x, each);
    }
    // The client left while it was asked.
    if (hold.over) return giveBack(hold);
    if (headers && !x.node.res.headersSent)
      showLimits(x.node.res, unfit.length === 0 ? hold.taken : [...hold.taken, ...unfit], now());
    const uncounted = unavailable === "refuse" && answers.includes(undefined);
    if (unfit.length === 0 && !uncounted) return leave(x, hold);
    giveBack(hold);
    throw unfit.length > 0 ? tooMany(unfit, now()) : cannotCount();
  }

  async function judgeLater(x: Exchange, answers: readonly (Answer | Promise<Answer>)[]): Promise<void> {
    judge(x, await Promise.all(answers.map(async (each) => each)));
  }

  return {
    enter(x, admitted) {
      const asking: Asking = { x, hold: holdOf(x), claims: [], reserve, estimate: undefined };
      for (const limit of limits) {
        if (limit.rule.late === admitted) claimRequest(asking, limit);
        if (admitted) claimTokens(asking, limit);
      }
      const { claims, hold } = asking;
      if (claims.length === 0) return leave(x, hold);
      const counter = store();
      const answers = claims.map((claim) => counter.take(claim));
      return areHere(answers) ? judge(x, answers) : judgeLater(x, answers);
    },
    end(x, outcome) {
      const hold = holds.get(x);
      if (hold !== undefined) settle(hold, outcome, usage.get(x));
      return undefined;
    },
  };
}

/** An exchange that is only explained keeps nothing. */
function leave({ notes }: Exchange, hold: Hold): void {
  if (notes !== undefined) giveBack(hold);
}

interface Asking {
  readonly x: Exchange;
  readonly hold: Hold;
  readonly claims: Claim[];
  readonly reserve: number;
  /** Worked out when a rule needs it. */
  estimate: number | undefined;
}

function claimRequest({ x, hold, claims }: Asking, { rule, requests, seats }: Limit): void {
  const key = rule.keyOf(x);
  if (key === undefined) return;
  const atOnce = rule.most(x, "concurrent");
  if (atOnce !== undefined && !takeSeat(hold, seats, key, atOnce)) {
    giveBack(hold);
    throw tooManyAtOnce(atOnce);
  }
  const most = rule.most(x, "requests");
  if (most !== undefined) claims.push({ meter: requests, key, amount: 1, most });
}

function claimTokens(asking: Asking, { rule, tokens }: Limit): void {
  const { x, claims, reserve } = asking;
  const most = rule.most(x, "tokens");
  const key = most === undefined ? undefined : rule.keyOf(x);
  if (most === undefined || key === undefined) return;
  const estimate = (asking.estimate ??= estimateTokens(x, reserve));
  if (estimate > 0) claims.push({ meter: tokens, key, amount: Math.max(1, Math.min(estimate, most)), most });
}

function areHere(answers: readonly (Answer | Promise<Answer>)[]): answers is readonly Answer[] {
  return !answers.some((each) => each instanceof Promise);
}

function note({ notes }: Exchange, taken: Taken): void {
  const { meter, most } = taken.claim;
  notes?.push(`rate-limit: ${meter.rule} has ${remainingOf(taken)} of ${most} ${meter.kind} left`);
}
