import { ProxyError } from "../../core/index.ts";
import { remainingOf } from "./_rate-headers.ts";
import type { Taken } from "./_rate-windows.ts";

/** For what did not fit; the longest wait is told. */
export function tooMany(unfit: readonly Taken[], time: number): ProxyError {
  const last = unfit.reduce((one, other) => (other.ends > one.ends ? other : one));
  const { meter, amount, most } = last.claim;
  const wait = Math.max(1, Math.ceil((last.ends - time) / 1_000));
  const needed = meter.kind === "tokens" ? `, and this request may use ${amount}` : "";
  const limit = `${most} ${meter.kind} in ${meter.per / 1_000} s: ${remainingOf(last)} are left${needed}`;
  return new ProxyError("rate_limited", `The limit is ${limit}. Try again in ${wait} s.`, { retryAfter: wait });
}

export function tooManyAtOnce(most: number): ProxyError {
  const message = `The limit is ${most} requests at once. Try again when one has ended.`;
  return new ProxyError("rate_limited", message, { retryAfter: 1 });
}

export function cannotCount(): ProxyError {
  return new ProxyError("overloaded", "Limits cannot be looked up at the moment. Try again.", { retryAfter: 1 });
}
