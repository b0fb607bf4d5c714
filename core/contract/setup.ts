import type { ConsolaInstance } from "consola";
import type { EventHandler } from "h3";
import type { Explanation } from "../explain/explanation.ts";
import type { Plugin } from "../plugin.ts";
import type { ProxyError } from "../errors.ts";
import type { Exchange, HeaderRecord, Slot, UpstreamHead, UpstreamRequest } from "./exchange.ts";
import type { ExplainRequest, ListenerStatus } from "./proxy.ts";
import type { Route, RouteOptions } from "./route.ts";
import type { Awaitable, Selector, Services } from "./services.ts";
import type { Pool, Target } from "./target.ts";

/** `check` validates and links, and opens nothing; `test` serves without touching the outside. */
export type Mode = "serve" | "check" | "test";

/** One source of a health verdict; it cannot overwrite another's. */
export interface Reporter {
  /** `forMs` lets the verdict lapse by itself. */
  down(id: string, reason: string, forMs?: number): void;
  up(id: string): void;
  /** Attempts that the target should have at once at most, as far as this reporter knows; undefined: any number. */
  limit(id: string, most: number | undefined): void;
}

export interface Task {
  /** Run at once, and let the start wait for that first run. @default false */
  immediate?: boolean;
  /** 0..1: the share of the interval by which each run is moved at random. @default 0 */
  jitter?: number;
}

export interface ExtraAttemptOptions {
  /** The last word on what is sent; its body must be whole. */
  edit?(upstream: UpstreamRequest): void;
  /** Told of the start and the end, like that of a route. */
  readonly selector?: Selector;
  /** Bytes of the answer that are kept, more is a fault; 0: none is kept, and any length is read. @default 1 MiB */
  readonly limit?: number;
  /** Told each piece of the answer's body as it comes. */
  onData?(chunk: Uint8Array): void;
  /** Goes on without the client, for so many milliseconds, and also to a target that has no room for more. */
  readonly detached?: number;
}

export interface ExtraAnswer {
  readonly status: number;
  readonly headers: HeaderRecord;
  readonly body: Uint8Array;
}

export interface ExtraAttempt {
  /** Whatever its status; rejects with a ProxyError when there was none, it broke, or the target has no room. */
  readonly answer: Promise<ExtraAnswer>;
  /** Ends it; the answer rejects. */
  abort(): void;
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
  /** The ports it serves on; empty before it listens. */
  readonly listeners: readonly ListenerStatus[];
  /** Of clients, over all ports; `most` undefined: any number; `dropped`: closed unserved as that many were open. */
  readonly connections: { readonly open: number; readonly most: number | undefined; readonly dropped: number };
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
  /** Linked after all setups; reading `value` earlier is a load error. @default name: the first of the kind in the config */
  use<K extends keyof Services>(kind: K, name?: string): { readonly value: Services[K] };
  /** What a plugin that stands in this plugin's options provides: it is set up with this one, and nobody else sees it. */
  inner<K extends keyof Services>(kind: K, plugin: Plugin): Services[K];
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
  /**
   * Sends one more request to a target on behalf of an exchange: it is prepared by the `upstreamRequest` hooks, counted as
   * an attempt of that target, told to `attemptEnd`, held to the route's deadlines, and ends when the client leaves. The
   * hooks see an exchange of its own, with this target and what is sent to it; the slots are those of the first.
   */
  attempt(x: Exchange, target: Target, options?: ExtraAttemptOptions): ExtraAttempt;
  /**
   * Ends the attempt under way through no fault of its target, and tries again by the rules of the route, also the same
   * target; what is committed is cut.
   */
  abandon(x: Exchange, error: ProxyError): void;
  /**
   * Asks one more target for the same request while the first has not answered; the first answer that is good is used,
   * and the other attempt is ended. False: there is no other target, its body cannot be sent again, the answer has begun,
   * or the retry budget is used up.
   */
  hedge(x: Exchange): boolean;
  /**
   * Begins the client's answer before an upstream's is there: the head, unless it was sent, and bytes that mean nothing,
   * such as a comment of an event stream. Targets can still be changed; an answer of another status or type, or an error,
   * is then told in the stream. False: the answer has begun by itself, or is over.
   */
  early(x: Exchange, head: UpstreamHead, bytes: Uint8Array): boolean;
  status(): Status;
  /** As `Proxy.reload`: takes the config anew from where it came. */
  reload(): Promise<{ readonly generation: number }>;
  /** What this generation was made of, for people: functions by name, secrets as `***`. */
  config(): Readonly<Record<string, unknown>>;
  /** What a request would do, on the running targets and their health. */
  explain(request: ExplainRequest): Promise<Explanation>;
  /** A number in [0, 1): chance that `explain` and tests can repeat. */
  readonly random: () => number;
  /** After linking and before anything is started: the place to check what other plugins provide. */
  onLink(task: () => void): void;
  /** Refuses the config, together with everything else that is wrong with it; in setup or in onLink. */
  problem(problem: OptionProblem): void;
}

/** What is wrong with an option that its schema cannot know. */
export interface OptionProblem {
  /** Of the option, as in `fast.targets.0.provider`; empty for the plugin as a whole. */
  readonly path: string;
  readonly message: string;
  /** The value as it was given. */
  readonly received?: unknown;
  readonly fix?: string;
}
