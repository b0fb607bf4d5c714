import type { Attempt } from "./attempt.ts";
import type { ActiveExchange } from "./exchange.ts";

/*
 * Two attempts of one exchange at the same time: `x.current` and, beside it, `x.rival`.
 */

/** The attempt whose answer comes first takes the place of the other, which goes on until the answer is good. */
export function lead(x: ActiveExchange, attempt: Attempt): void {
  if (x.rival !== attempt) return;
  x.rival = x.current;
  follow(x, attempt);
}

/** The answer is good: nobody waits for the other attempt any more. */
export function endRival(x: ActiveExchange): void {
  const { rival } = x;
  x.rival = undefined;
  rival?.lose();
}

/** One of two attempts failed: the other is the only one. */
export function carryOn(x: ActiveExchange, rival: Attempt): void {
  const survivor = rival.state === "done" ? (x.current as Attempt) : rival;
  const failed = survivor === rival ? (x.current as Attempt) : rival;
  x.tried = [...x.tried, failed.target];
  x.rival = undefined;
  follow(x, survivor);
}

function follow(x: ActiveExchange, attempt: Attempt): void {
  x.current = attempt;
  x.target = attempt.target;
  x.upstream = attempt.upstream;
}
