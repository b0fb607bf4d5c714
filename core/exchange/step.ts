import type { Awaitable } from "../contract/services.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { isPromise } from "../generation/compile.ts";
import type { ActiveExchange } from "./exchange.ts";
import { fail } from "./respond.ts";

type Next<T> = (x: ActiveExchange, value: T) => void;

/** Runs one compiled phase and goes on with what it said. */
export function step<T>(
  x: ActiveExchange,
  phase: ((x: ActiveExchange) => Awaitable<T>) | null,
  next: Next<T | undefined>,
): void {
  if (phase === null) return next(x, undefined);
  let value: Awaitable<T>;
  try {
    value = phase(x);
  } catch (error) {
    return fail(x, toProxyError(error));
  }
  if (!isPromise(value)) {
    // The hook may have ended the exchange.
    if (!x.over) next(x, value);
    return;
  }
  value
    .then((late) => {
      if (!x.over) next(x, late);
    })
    .catch((error: unknown) => fail(x, toProxyError(error)));
}

function toProxyError(error: unknown): ProxyError {
  return isProxyError(error) ? error : new ProxyError("internal_error", "The proxy failed.", { cause: error });
}
