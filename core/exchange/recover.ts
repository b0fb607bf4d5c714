import type { Reply } from "../contract/exchange.ts";
import type { ProxyError } from "../errors.ts";
import { type ActiveExchange, noTargets as none } from "./exchange.ts";
import { fail, sendReply } from "./respond.ts";
import { step } from "./step.ts";

/** Times that one exchange is taken up again: what goes wrong for ever must end. */
const most = 100;

/** It fails with `error`, unless a plugin knows a way on: then it is tried `again`. */
export function recoverOrFail(x: ActiveExchange, error: ProxyError, again: (x: ActiveExchange) => void): void {
  const { recover } = x.site.phases;
  if (recover === null || x.bodyStarted || x.gone || x.error !== undefined || x.recoveries === most)
    return fail(x, error);
  x.recoveries += 1;
  const goOn = (_: ActiveExchange, answer: void | Reply | "retry"): void => {
    if (answer === undefined) return fail(x, error);
    if (answer !== "retry") return sendReply(x, answer);
    startAnew(x);
    again(x);
  };
  step(x, () => recover(x, error), goOn);
}

/** As if nothing had been tried yet. */
export function startAnew(x: ActiveExchange): void {
  x.attemptsBefore = x.attempt;
  x.tried = none;
  x.full = false;
}
