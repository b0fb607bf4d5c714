import type { ProxyError } from "../errors.ts";
import type { Exchange, Outcome, Reply, UpstreamHead } from "./exchange.ts";
import type { Route } from "./route.ts";
import type { Awaitable } from "./services.ts";
import type { Target } from "./target.ts";

/**
 * The phases of a request, in order. Observers return undefined, not void: TypeScript lets an async function pass
 * for `() => void` and refuses it here.
 */
export interface Hooks {
  /** Gate: headers only (authentication, CORS, rate limits). */
  request(x: Exchange): Awaitable<void | Reply>;
  /** Gate: the body is there if a plugin needs it. */
  inspect(x: Exchange): Awaitable<void | Reply>;
  /** First: what the request is for. */
  resolve(x: Exchange): Awaitable<void | Route | Reply>;
  /** Gate: route known, target not yet (quotas, queues). */
  admit(x: Exchange): Awaitable<void | Reply>;
  /**
   * Series: which of the route's targets this attempt may go to. The same array for the same one, or a frozen one that it
   * keeps, so that selectors can keep what they derive from it; called more than once per attempt, and changes nothing.
   */
  candidates(x: Exchange, targets: readonly Target[]): readonly Target[];
  /** Series: edits `x.upstream` of this attempt. */
  upstreamRequest(x: Exchange): Awaitable<void>;
  /** Series, before commit: edits status and headers, or asks for another target; the others see the head all the same. */
  upstreamResponse(x: Exchange, head: UpstreamHead): void | "retry";
  /**
   * First, before commit: no target can take the request, or no attempt is left to it. A plugin may wait, set another
   * `x.route` or `x.model`, and have it tried again, for which another route gives new attempts. An error that it throws
   * takes the place of the first, also for the plugins behind it.
   */
  recover(x: Exchange, error: ProxyError): Awaitable<void | Reply | "retry">;
  /** First, before commit only: how an error is told to the client. */
  error(x: Exchange, error: ProxyError): void | Reply;
  /** Observe: once per attempt. */
  attemptEnd(x: Exchange, target: Target, outcome: Outcome): undefined;
  /** Observe: once per exchange, always last. */
  end(x: Exchange, outcome: Outcome): undefined;
  /** Observe: a target became available, or stopped being so. */
  health(target: Target, up: boolean, reporter: string, reason: string): undefined;
}

export type HookName = keyof Hooks;

/** A hook, alone or with its place among the same phase's hooks of other plugins, by plugin name. */
export type Hook<F> =
  | F
  | { readonly handler: F; readonly before?: readonly string[]; readonly after?: readonly string[] };

export type HookMap = { readonly [K in HookName]?: Hook<Hooks[K]> };
