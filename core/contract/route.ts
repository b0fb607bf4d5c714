import type { Selector, SelectorService } from "./services.ts";
import type { Pool, Target } from "./target.ts";

export type RetryClass = "connect" | "reset" | "timeout" | "status";

/** When another target is tried. A failed connect sent nothing, so it is always safe to repeat. */
export interface RetryPolicy {
  /** Attempts in all, the first included. @default 3 */
  readonly attempts: number;
  /** @default connect, reset */
  readonly on: ReadonlySet<RetryClass>;
  /** Response statuses that count as `status`. @default none */
  readonly statuses: ReadonlySet<number>;
  /** Repeat resets and timeouts of POST and PATCH too. @default false */
  readonly nonIdempotent: boolean;
}

/** Milliseconds; 0 is no limit. */
export interface Timeouts {
  /** Until the connection stands. @default 3000 */
  readonly connect: number;
  /** From sending to the response head. @default 300000 */
  readonly headers: number;
  /** Longest silence in a response body. @default 300000 */
  readonly idle: number;
  /** The whole exchange. @default 0 */
  readonly total: number;
}

declare const route: unique symbol;

/** What a request resolved to; made by `proxy.createRoute`. */
export interface Route {
  readonly [route]: true;
  readonly name: string;
  /** The name that was asked for, or the one it is a synonym of; undefined where names are the targets' own. */
  readonly alias: string | undefined;
  readonly pool: Pool;
  readonly selector: Selector;
  readonly retry: RetryPolicy;
  readonly timeouts: Timeouts;
  /** Its targets that are available; the same frozen array until the pool changes. */
  candidates(): readonly Target[];
  /** All it could use were they available. */
  possible(): readonly Target[];
}

export interface RetryOptions {
  attempts?: number;
  on?: readonly RetryClass[];
  statuses?: readonly number[];
  nonIdempotent?: boolean;
}

export interface RouteOptions {
  /** Shown by explain, logs and stats. */
  name: string;
  alias?: string;
  /** @default "default" */
  pool?: string;
  /** Narrows the pool; called when the pool changed, not per request. May return views made by `viewTarget`. */
  candidates?: (targets: readonly Target[]) => readonly Target[];
  /** For explain: why a target is not a candidate. */
  why?: (target: Target) => string;
  /** Name of a provided selector, or one of the route's own. @default the first in the config */
  selector?: string | SelectorService;
  retry?: RetryOptions;
  timeouts?: Partial<Timeouts>;
}
