import type { OutcomeKind } from "../contract/exchange.ts";
import type { Timeouts } from "../contract/route.ts";
import type { TargetSpec } from "../contract/target.ts";
import { ProxyError } from "../errors.ts";
import { routeOf } from "../generation/routes.ts";
import { isReset } from "../wire/reset-peer.ts";
import type { ActiveExchange } from "./exchange.ts";
import { endRival } from "./rivals.ts";
import { fail } from "./respond.ts";

/** What deadlines look at: an attempt, or an extra one, which is never held back. */
interface Timed {
  readonly state: string;
  /** `performance.now()` when the state began. */
  readonly since: number;
  readonly target: { readonly id: string; readonly timeouts: TargetSpec["timeouts"] };
  readonly paused?: boolean;
  readonly delivered?: boolean;
  readonly relay?: { readonly idle?: number } | undefined;
  /** An answer that the client has yet to see. */
  readonly held?: { readonly since: number; readonly timeout: number } | undefined;
  stop(kind: OutcomeKind, error: ProxyError): void;
}

/** Ends what has taken too long; called for each exchange under way by the one sweep of the proxy. */
export function checkDeadlines(x: ActiveExchange, now: number): void {
  if (x.ended) return;
  if (x.clientHeld && isReset(x.req.socket)) return void x.req.socket.destroy();
  if (x.bodyAt > 0 && exceeds(now - x.bodyAt, x.generation.proxy.limits.bodyIdle)) return endSilent(x);
  if (x.extras !== undefined) checkExtras(x, now);
  if (x.route === undefined) return;
  const { timeouts } = routeOf(x);
  const attempt = x.current?.state === "done" ? undefined : x.current;
  if (timeouts.total > 0 && now - x.startedAt >= timeouts.total) {
    const error = new ProxyError("total_timeout", "The request took longer than it may.", { phase: "total" });
    if (x.rival !== undefined) endRival(x);
    if (attempt !== undefined) attempt.stop("timeout", error, false);
    else if (!x.committed) fail(x, error);
    for (const extra of x.extras ?? []) extra.stop("timeout", error);
  } else if (attempt !== undefined) {
    if (x.rival !== undefined) checkAttempt(x.rival, now, timeouts, "stream_idle");
    checkAttempt(attempt, now, timeouts, x.tunnelled ? "tunnel_idle" : "stream_idle");
  }
}

/** The client has stopped sending its request in the middle. */
function endSilent(x: ActiveExchange): void {
  x.bodyAt = 0;
  if (x.committed) return; // What is left of a body does not matter to one that has its answer.
  const error = new ProxyError("request_timeout", "The request body did not arrive in time.");
  if (x.current !== undefined && x.current.state !== "done") x.current.stop("local", error, false);
  else fail(x, error);
}

/** Those of an exchange that has no route yet are held to what holds where it came in. */
function checkExtras(x: ActiveExchange, now: number): void {
  const route = x.route ?? x.site.defaultRoute;
  if (route === undefined) return;
  const { timeouts } = routeOf({ route });
  for (const extra of x.extras ?? []) checkAttempt(extra, now, timeouts, "stream_idle");
}

function checkAttempt(attempt: Timed, now: number, timeouts: Timeouts, idle: keyof typeof messages): void {
  const own = attempt.target.timeouts;
  const quiet = now - attempt.since;
  switch (attempt.state) {
    case "connecting":
      if (exceeds(quiet, own?.connect ?? timeouts.connect)) end(attempt, "connect", "connect_timeout");
      break;
    case "waiting":
      if (exceeds(quiet, own?.headers ?? timeouts.headers)) end(attempt, "timeout", "upstream_timeout");
      break;
    case "streaming":
      if (attempt.held !== undefined && exceeds(now - attempt.held.since, attempt.held.timeout))
        return end(attempt, "timeout", "upstream_timeout");
      // A client that does not read holds the upstream back: its silence is not the upstream's.
      if (
        attempt.paused !== true &&
        attempt.delivered !== true &&
        exceeds(quiet, own?.idle ?? attempt.relay?.idle ?? timeouts.idle)
      )
        end(attempt, "stalled", idle);
      break;
    case "done":
  }
}

function end(attempt: Timed, kind: OutcomeKind, code: keyof typeof messages): void {
  attempt.stop(kind, new ProxyError(code, messages[code], { target: attempt.target.id }));
}

/** 0 is no limit. */
function exceeds(quiet: number, limit: number): boolean {
  return limit > 0 && quiet >= limit;
}

const messages = {
  connect_timeout: "The upstream did not take the connection in time.",
  upstream_timeout: "The upstream did not answer in time.",
  stream_idle: "The upstream fell silent in the middle of its answer.",
  tunnel_idle: "Nothing passed the tunnel for too long.",
};
