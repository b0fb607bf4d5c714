import type { Exchange } from "../contract/exchange.ts";
import type { ExtraAttempt, ExtraAttemptOptions } from "../contract/setup.ts";
import type { Awaitable } from "../contract/services.ts";
import type { Target } from "../contract/target.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { isPromise } from "../generation/compile.ts";
import { hasRoom, PoolTarget } from "../targets/target.ts";
import type { ActiveExchange } from "./exchange.ts";
import { ExtraCall } from "./extra-attempt.ts";
import { ExtraExchange, realExchange } from "./extra-exchange.ts";

/** Sends one more request on behalf of an exchange, prepared like that of any attempt. */
export function extraAttempt(
  given: Exchange,
  target: Target,
  options: ExtraAttemptOptions = {},
  plugin = "",
): ExtraAttempt {
  if (!(target instanceof PoolTarget)) throw new TypeError("an extra attempt needs a target of a pool");
  const x = realExchange(given);
  const face = new ExtraExchange(x, target);
  const call = new ExtraCall(face, options, plugin);
  if (options.detached === undefined) x.extras = [...(x.extras ?? []), call];
  const refused = whyNot(x, target, options);
  if (refused === undefined) prepare(call, face);
  else call.stop("local", refused);
  return { answer: call.answer, abort: () => call.giveUp() };
}

/** Ends what an exchange that is over still has under way. */
export function giveUpExtras(x: ActiveExchange): void {
  for (const extra of x.extras ?? []) extra.giveUp();
}

function whyNot(x: ActiveExchange, target: PoolTarget, { detached }: ExtraAttemptOptions): ProxyError | undefined {
  if (x.notes !== undefined)
    return new ProxyError("client_closed", "Nothing is sent for a request that is only explained.");
  if (detached === undefined && !hasRoom(target)) return new ProxyError("overloaded", "The service is busy.");
  if (x.generation.proxy.closed) return new ProxyError("draining", "The proxy is shut down.");
  if (x.ended && detached === undefined) return x.error ?? new ProxyError("client_closed", "The request is over.");
  return undefined;
}

function prepare(call: ExtraCall, face: ExtraExchange): void {
  let late: Awaitable<void>;
  try {
    late = face.real.site.phases.upstreamRequest?.(face);
  } catch (error) {
    return call.stop("plugin", toProxyError(error));
  }
  if (!isPromise(late)) return call.send();
  late.then(() => call.send()).catch((error: unknown) => call.stop("plugin", toProxyError(error)));
}

function toProxyError(error: unknown): ProxyError {
  return isProxyError(error) ? error : new ProxyError("internal_error", "The proxy failed.", { cause: error });
}
