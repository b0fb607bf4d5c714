import type { ConsolaInstance } from "consola";
import type { EventHandler } from "h3";
import type { Slot } from "./exchange.ts";
import type { Route, RouteOptions } from "./route.ts";
import type { Awaitable, Services } from "./services.ts";
import type { Pool } from "./target.ts";

/** `check` validates and links, and opens nothing; `test` serves without touching the outside. */
export type Mode = "serve" | "check" | "test";

/** One source of a health verdict; it cannot overwrite another's. */
export interface Reporter {
  /** `forMs` lets the verdict lapse by itself. */
  down(id: string, reason: string, forMs?: number): void;
  up(id: string): void;
}

export interface Task {
  /** Run at once, and let the start wait for that first run. @default false */
  immediate?: boolean;
  /** 0..1: the share of the interval by which each run is moved at random. @default 0 */
  jitter?: number;
}

/** What the proxy says of itself. */
export interface Status {
  readonly generation: number;
  /** Exchanges under way, over all generations. */
  readonly active: number;
  readonly draining: boolean;
  /** `Date.now()` */
  readonly startedAt: number;
  readonly plugins: readonly string[];
  /** Why the last reload was refused; undefined after one that was taken. */
  readonly reloadError: string | undefined;
  /** Discovery sources whose last refresh failed, and why. */
  readonly stale: readonly { readonly source: string; readonly pool: string; readonly error: string }[];
}

/** What setup may register. Nothing here runs on the path of a request except what was registered for it. */
export interface Setup {
  readonly log: ConsolaInstance;
  readonly mode: Mode;
  /** Aborts when this generation is over. */
  readonly signal: AbortSignal;
  provide<K extends keyof Services>(kind: K, name: string, service: Services[K]): void;
  /** Linked after all setups; reading `value` earlier is a load error. */
  use<K extends keyof Services>(kind: K, name: string): { readonly value: Services[K] };
  /** All services of a kind by name, in config order; linked like `use`. */
  useAll<K extends keyof Services>(kind: K): { readonly value: ReadonlyMap<string, Services[K]> };
  /** @default "default" */
  pool(name?: string): Pool;
  pools(): readonly Pool[];
  /** A route for `resolve` to return. Made in setup it is linked with the services, made later at once. */
  createRoute(options: RouteOptions): Route;
  /** One verdict per reporter; a target is available while no reporter says down. */
  reporter(name: string): Reporter;
  /**
   * `"json"` buffers JSON bodies of POST, PUT and PATCH up to `limits.inspect`; a number buffers every body up to
   * that many bytes. Over the limit: 413.
   */
  needs(what: { body: number | "json" }): void;
  /** The same name is the same slot for every plugin of the config. */
  slot<T>(name: string): Slot<T>;
  /** A value of this plugin that outlives its generation: made once per proxy, and the same after each reload. */
  keep<T>(name: string, create: () => T): T;
  /** A control-plane route on this generation's h3 app; two plugins on one path are a load error. */
  route(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string, handler: EventHandler): void;
  every(interval: number, task: (signal: AbortSignal) => Awaitable<void>, options?: Task): void;
  /** After linking and discovery, before the first request; a throw refuses the generation. */
  onReady(task: () => Awaitable<void>): void;
  onClose(task: () => Awaitable<void>): void;
  watchFile(path: string): void;
  status(): Status;
}
