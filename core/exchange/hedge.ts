import type { Exchange } from "../contract/exchange.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { isPromise } from "../generation/compile.ts";
import type { PoolTarget } from "../targets/target.ts";
import { Attempt, type OnFailure } from "./attempt.ts";
import type { ActiveExchange } from "./exchange.ts";
import { ExtraExchange, realExchange } from "./extra-exchange.ts";
import { fail } from "./respond.ts";
import { mayRetry } from "./retry-rule.ts";

export interface HedgeOptions {
  /** The target it goes to; undefined: there is none. */
  pick(x: ActiveExchange): PoolTarget | undefined;
  /** It is sent. */
  begin(x: ActiveExchange): void;
  readonly onFailure: OnFailure;
}

/** Starts a second attempt beside the first, which has no answer yet. False: it cannot be. */
export function hedgeWith(given: Exchange, { pick, begin, onFailure }: HedgeOptions): boolean {
  const x = realExchange(given);
  const first = x.current;
  if (first === undefined || !first.open || x.over || x.notes !== undefined) return false;
  if (x.rival !== undefined || x.hedging) return false;
  // A body that is streamed, and a connection that is taken over, can go to one target only.
  if ((x.hasBody && x.body === undefined) || x.tunnel !== undefined) return false;
  const target = second(x, pick);
  if (target === undefined) return false;
  x.hedging = true;
  const face = new ExtraExchange(x, target);
  const send = (): void => {
    x.hedging = false;
    if (x.over || x.current !== first || !first.open) return;
    begin(x);
    x.rival = new Attempt(x, target, onFailure, face);
    x.rival.send();
  };
  prepare(face, send);
  return true;
}

/** Hooks that choose may refuse by an error: the first attempt is as good as it was. */
function second(x: ActiveExchange, pick: HedgeOptions["pick"]): PoolTarget | undefined {
  try {
    return mayRetry(x, "hedge") ? pick(x) : undefined;
  } catch (error) {
    const fault = isProxyError(error) ? error.code === "plugin_error" && error.cause : error;
    if (fault !== false) x.generation.log.error(`${x.method} ${x.path} cannot be hedged:`, fault);
    return undefined;
  }
}

function prepare(face: ExtraExchange, send: () => void): void {
  const x = face.real;
  const refuse = (error: unknown): void => {
    x.hedging = false;
    fail(x, isProxyError(error) ? error : new ProxyError("internal_error", "The proxy failed.", { cause: error }));
  };
  try {
    const late = x.site.phases.upstreamRequest?.(face);
    if (!isPromise(late)) return send();
    late.then(send).catch(refuse);
  } catch (error) {
    refuse(error);
  }
}
