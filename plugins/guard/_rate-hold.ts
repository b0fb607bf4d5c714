import type { Outcome } from "../../core/index.ts";
import { spentTokens, type Usage } from "./_rate-tokens.ts";
import type { Taken } from "./_rate-windows.ts";

/** Requests under way, by key. */
export type Seats = Map<string, number>;

/** What one exchange has taken. */
export interface Hold {
  /** The exchange has ended: what is taken now goes back. */
  over: boolean;
  taken: Taken[];
  seats: { readonly seats: Seats; readonly key: string }[];
}

export function createHold(): Hold {
  return { over: false, taken: [], seats: [] };
}

/** False: all are taken. */
export function takeSeat(hold: Hold, seats: Seats, key: string, most: number): boolean {
  const taken = seats.get(key) ?? 0;
  if (taken >= most) return false;
  seats.set(key, taken + 1);
  hold.seats.push({ seats, key });
  return true;
}

function leaveSeats(hold: Hold): void {
  for (const { seats, key } of hold.seats) {
    const left = (seats.get(key) ?? 0) - 1;
    if (left > 0) seats.set(key, left);
    else seats.delete(key);
  }
  hold.seats = [];
}

/** As if the exchange had never asked: what one client is refused is not taken from what all share. */
export function giveBack(hold: Hold): void {
  leaveSeats(hold);
  for (const taken of hold.taken) taken.store.correct(taken, -taken.claim.amount);
  hold.taken = [];
}

/** The end: tokens become those that were used, as far as that is known. */
export function settle(hold: Hold, outcome: Outcome, usage: Usage | undefined): void {
  hold.over = true;
  leaveSeats(hold);
  const spent = spentTokens(outcome, usage);
  if (spent === undefined) return;
  for (const taken of hold.taken) {
    const { meter, amount } = taken.claim;
    if (meter.kind === "tokens" && spent !== amount) taken.store.correct(taken, spent - amount);
  }
}
