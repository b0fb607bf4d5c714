import type { ConsolaInstance } from "consola";
import { inspect } from "node:util";
import { configError } from "../config/config-error.ts";
import type { Route, RouteOptions } from "../contract/route.ts";
import type { Awaitable } from "../contract/services.ts";
import type { Reporter } from "../contract/setup.ts";
import type { Ledger } from "../targets/ledger.ts";
import { type PoolEvents, TargetPool } from "../targets/pool.ts";
import type { RegisteredHook } from "./compile.ts";
import { PoolRoute, type RouteDefaults, toRoute, turns } from "./routes.ts";
import { ServiceTable } from "./services.ts";
import type { ControlRoute, PeriodicTask } from "./setup.ts";

interface Step {
  readonly plugin: string;
  readonly task: () => Awaitable<void>;
}

interface PendingRoute {
  readonly route: PoolRoute;
  readonly plugin: string;
  readonly index: number;
}

export interface BodyNeed {
  /** Bytes of any body; 0: none is asked for. */
  any: number;
  json: boolean;
}

/** Everything the plugins of one generation registered. */
export class Registry {
  readonly services: ServiceTable = new ServiceTable();
  readonly hooks: RegisteredHook[] = [];
  readonly tasks: PeriodicTask[] = [];
  readonly ready: Step[] = [];
  readonly closing: Step[] = [];
  readonly files: Set<string> = new Set();
  readonly controlRoutes: ControlRoute[] = [];
  readonly reporters: Set<string> = new Set();
  readonly body: BodyNeed = { any: 0, json: false };
  /** No generation that is over may say a word about health. */
  silent = false;
  /** Verdicts of a generation that is not the running one yet, and may never be. */
  #said: (() => void)[] | undefined = [];
  /** Sources whose last word was a failure. */
  readonly stale: Map<string, { readonly source: string; readonly pool: string; readonly error: string }> = new Map();
  #pools: Map<string, TargetPool> = new Map();
  #slots: Map<string, number> = new Map();
  #pending: PendingRoute[] = [];
  #linked = false;
  readonly #ledger: Ledger;
  readonly #events: PoolEvents;
  readonly #defaults: RouteDefaults;

  constructor(ledger: Ledger, events: PoolEvents, defaults: RouteDefaults) {
    this.#ledger = ledger;
    this.#events = events;
    this.#defaults = defaults;
  }

  pool(name: string): TargetPool {
    let pool = this.#pools.get(name);
    if (pool === undefined) this.#pools.set(name, (pool = new TargetPool(name, this.#ledger, this.#events)));
    return pool;
  }

  pools(): TargetPool[] {
    return [...this.#pools.values()];
  }

  noteSource(pool: string, source: string, error: unknown, log: ConsolaInstance): void {
    const key = `${pool} ${source}`;
    if (error === undefined) return void this.stale.delete(key);
    const text = error instanceof Error ? error.message : inspect(error);
    if (this.stale.get(key)?.error !== text) log.warn(`discovery ${source} of pool ${pool}: ${text}`);
    this.stale.set(key, { source, pool, error: text });
  }

  slot(name: string): number {
    let index = this.#slots.get(name);
    if (index === undefined) this.#slots.set(name, (index = this.#slots.size));
    return index;
  }

  needBody(body: number | "json"): void {
    if (body === "json") this.body.json = true;
    else this.body.any = Math.max(this.body.any, body);
  }

  reporter(name: string): Reporter {
    this.reporters.add(name);
    return {
      down: (id, reason, forMs) => this.#say(() => this.#ledger.down(id, name, reason, forMs)),
      up: (id) => this.#say(() => this.#ledger.up(id, name)),
    };
  }

  /** What was said of health while the generation started holds from now on. */
  goLive(): void {
    const said = this.#said ?? [];
    this.#said = undefined;
    for (const verdict of said) verdict();
  }

  #say(verdict: () => void): void {
    if (this.silent) return;
    if (this.#said === undefined) verdict();
    else this.#said.push(verdict);
  }

  addControlRoute(route: ControlRoute, index: number): void {
    const other = this.controlRoutes.find((r) => r.method === route.method && r.path === route.path);
    if (other !== undefined) {
      const message = `answers ${route.method} ${route.path}, which plugin ${other.plugin} answers already`;
      throw configError(route.plugin, index, message, "give one of them another path");
    }
    this.controlRoutes.push(route);
  }

  createRoute(options: RouteOptions, plugin: string, index: number): Route {
    const pool = this.pool(options.pool ?? "default");
    const selector = options.selector ?? this.services.names("selector")[0] ?? "";
    const route = new PoolRoute(options, pool, options.selector ?? "", this.#defaults);
    if (this.#linked) this.#linkRoute({ route, plugin, index }, selector);
    else this.#pending.push({ route, plugin, index });
    return toRoute(route);
  }

  /** After all setups: what was asked for by name is found, or the config is refused. */
  link(): void {
    this.services.link();
    this.#linked = true;
    const first = this.services.names("selector")[0] ?? "";
    for (const pending of this.#pending) this.#linkRoute(pending, pending.route.selectorName || first);
    this.#pending = [];
  }

  #linkRoute({ route, plugin, index }: PendingRoute, selector: string): void {
    const service = selector === "" ? turns : this.services.find({ kind: "selector", name: selector, plugin, index });
    try {
      route.link(service as typeof turns, selector || "turns");
    } catch (error) {
      const text = error instanceof Error ? error.message : inspect(error);
      throw configError(
        selector,
        -1,
        `selector ${selector} cannot be made for route ${route.name}: ${text}`,
        undefined,
        error,
      );
    }
  }
}
