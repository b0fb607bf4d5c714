import type { ConsolaInstance } from "consola";
import { inspect } from "node:util";
import { configError, ConfigError, type ConfigProblem } from "../config/config-error.ts";
import { showValue, withoutSecrets } from "../config/show-value.ts";
import type { Route, RouteOptions } from "../contract/route.ts";
import type { Awaitable, SelectorService } from "../contract/services.ts";
import type { OptionProblem, Reporter } from "../contract/setup.ts";
import type { Plugin } from "../plugin.ts";
import type { Ledger } from "../targets/ledger.ts";
import { type PoolEvents, TargetPool } from "../targets/pool.ts";
import { PoolRoute, type RouteDefaults, toRoute } from "./routes.ts";
import { Scope } from "./scope.ts";
import type { ServiceTable } from "./services.ts";
import type { PeriodicTask } from "./setup.ts";

interface Step {
  readonly plugin: string;
  readonly task: () => Awaitable<void>;
}

interface PendingRoute {
  readonly route: PoolRoute;
  readonly selector: string | SelectorService | undefined;
  readonly services: ServiceTable;
  readonly plugin: string;
  readonly index: number;
}

/** Everything the plugins of one generation registered. */
export class Registry {
  /** Of every request. */
  readonly root: Scope = new Scope();
  readonly tasks: PeriodicTask[] = [];
  readonly ready: Step[] = [];
  readonly closing: Step[] = [];
  readonly files: Set<string> = new Set();
  readonly reporters: Set<string> = new Set();
  /** What plugins provide that stand in the options of another. */
  readonly inner: Map<Plugin, ServiceTable> = new Map();
  readonly onLink: Step[] = [];
  readonly #problems: ConfigProblem[] = [];
  /** No generation that is over may say a word about health. */
  silent = false;
  /** Verdicts of a generation that is not the running one yet, and may never be. */
  #said: (() => void)[] | undefined = [];
  /** Sources whose last word was a failure. */
  readonly stale: Map<string, { readonly source: string; readonly pool: string; readonly error: string }> = new Map();
  readonly #scopes: Map<string, Scope> = new Map([["", this.root]]);
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
    const key = JSON.stringify([pool, source]);
    if (error === undefined) return void this.stale.delete(key);
    const text = withoutSecrets(error instanceof Error ? error.message : inspect(error));
    if (this.stale.get(key)?.error !== text) log.warn(`discovery ${source} of pool ${pool}: ${text}`);
    this.stale.set(key, { source, pool, error: text });
  }

  slot(name: string): number {
    let index = this.#slots.get(name);
    if (index === undefined) this.#slots.set(name, (index = this.#slots.size));
    return index;
  }

  reporter(name: string): Reporter {
    this.reporters.add(name);
    return {
      down: (id, reason, forMs) => this.#say(() => this.#ledger.down(id, name, reason, forMs)),
      up: (id) => this.#say(() => this.#ledger.up(id, name)),
      limit: (id, most) => {
        if (most !== undefined && !(most >= 1)) throw new RangeError(`a limit of ${most}; use 1 or more, or undefined`);
        this.#say(() => this.#ledger.limit(id, name, most));
      },
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

  /** By its path in the config, as in `listeners.admin.mounts.0`; what is around it comes with it. */
  scope(path: string): Scope {
    const known = this.#scopes.get(path);
    if (known !== undefined) return known;
    const around = /^(.+)\.mounts\.\d+$/.exec(path)?.[1] ?? "";
    const scope = new Scope(this.scope(around));
    this.#scopes.set(path, scope);
    return scope;
  }

  scopes(): Scope[] {
    return [...this.#scopes.values()];
  }

  createRoute(options: RouteOptions, plugin: string, index: number, { services }: Scope = this.root): Route {
    const pool = this.pool(options.pool ?? "default");
    const route = new PoolRoute(options, pool, this.#defaults);
    const pending = { route, selector: options.selector, services, plugin, index };
    if (this.#linked) this.#linkRoute(pending);
    else this.#pending.push(pending);
    return toRoute(route);
  }

  /** After all setups: what was asked for by name is found, or the config is refused. */
  link(): void {
    for (const scope of this.scopes()) scope.services.link();
    this.#linked = true;
    for (const table of this.inner.values()) table.link();
    for (const { task } of this.onLink) void task();
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
    for (const pending of this.#pending) this.#linkRoute(pending);
    this.#pending = [];
  }

  problem({ path, message, received, fix }: OptionProblem, plugin: string, index: number): void {
    this.#problems.push({
      plugin: index < 0 ? plugin : `plugins[${index}] ${plugin}`,
      index,
      path,
      message,
      ...(received !== undefined && { received: showValue(received, path.split(".")) }),
      ...(fix !== undefined && { fix }),
    });
  }

  #linkRoute({ route, selector, services, plugin, index }: PendingRoute): void {
    const wanted = { kind: "selector", name: selector as string | undefined, plugin, index } as const;
    const service = typeof selector === "object" ? selector : (services.find(wanted) as SelectorService);
    const first = services.names("selector")[0] ?? "turns";
    const name =
      typeof selector === "string" ? selector : (service.name ?? (selector === undefined ? first : "inline"));
    try {
      route.link(service, name);
    } catch (error) {
      const text = error instanceof Error ? error.message : inspect(error);
      const message = `selector ${name} cannot be made for route ${route.name}: ${text}`;
      throw configError(name, -1, message, undefined, error);
    }
  }
}
