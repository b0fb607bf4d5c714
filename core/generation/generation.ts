import type { ConsolaInstance } from "consola";
import { validateConfig } from "../config/validate.ts";
import type { Outcome } from "../contract/exchange.ts";
import type { ConfigFunction, ProxyConfig } from "../contract/proxy.ts";
import type { Awaitable, Condition, Transport } from "../contract/services.ts";
import type { Mode, Setup, Status } from "../contract/setup.ts";
import type { Target } from "../contract/target.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { ProxyState } from "../proxy-state.ts";
import type { PoolTarget } from "../targets/target.ts";
import { clientAddress, trustedProxies, type TrustedProxies } from "../wire/forwarded.ts";
import { httpTransport } from "../wire/http-transport.ts";
import { isJson } from "../wire/media-type.ts";
import { blamed, placed } from "./blame.ts";
import { compile, type Phases } from "./compile.ts";
import { conditionsOf } from "./conditions.ts";
import { Registry } from "./registry.ts";
import { routeDefaults } from "./routes.ts";
import { setUp } from "./set-up.ts";
import type { Site } from "./site.ts";
import type { SiteTable } from "./site-table.ts";
import { createDefaultRoutes, createSites } from "./sites.ts";
import { Tasks } from "./tasks.ts";

const bodyMethods: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

export interface GenerationOptions {
  readonly number: number;
  readonly mode: Mode;
  readonly status: () => Status;
  /** Missing where nothing runs. */
  readonly explain?: Setup["explain"];
  readonly reload?: Setup["reload"];
  /** @default what the proxy keeps */
  readonly keep?: ProxyState["keep"];
  /** @default the proxy's */
  readonly random?: () => number;
}

/** One loaded config: plugin instances, and the sites that serve what comes in; replaced whole. */
export class Generation {
  readonly number: number;
  readonly config: ProxyConfig;
  readonly proxy: ProxyState;
  readonly log: ConsolaInstance;
  readonly plugins: readonly string[];
  /** Of the config's own port. */
  readonly main: SiteTable;
  /** What the conditional listeners wait for, by their names. */
  readonly conditions: ReadonlyMap<string, Condition>;
  readonly registry: Registry;
  readonly upgrades: ReadonlySet<string>;
  /** Exchanges under way. */
  active = 0;
  closed = false;
  readonly #trusted: TrustedProxies;
  readonly #sites: ReadonlyMap<string, SiteTable>;
  readonly #health: Phases["health"];
  readonly #transports: Map<string, Transport> = new Map();
  readonly #abort: AbortController;
  readonly #tasks: Tasks;
  #idle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  private constructor(proxy: ProxyState, config: ProxyConfig, number: number, loaded: Loaded) {
    this.proxy = proxy;
    this.config = config;
    this.number = number;
    this.log = proxy.log;
    this.registry = loaded.registry;
    this.plugins = loaded.plugins;
    this.#abort = loaded.abort;
    this.#tasks = new Tasks(loaded.registry.tasks, loaded.abort.signal, proxy.log);
    this.#sites = loaded.sites;
    this.main = loaded.sites.get("main") as SiteTable;
    this.conditions = loaded.conditions;
    const hooks = loaded.registry.scopes().flatMap((scope) => scope.hooks);
    this.#health = compile(
      hooks.filter(({ phase }) => phase === "health"),
      proxy.log,
    ).health;
    this.upgrades = new Set((config.upgrades ?? ["websocket"]).map((protocol) => protocol.toLowerCase()));
    this.#trusted = trustedProxies(config.trustedProxies);
    const transports = loaded.registry.scopes().flatMap(({ services }) => services.providers("transport"));
    for (const transport of [httpTransport, ...transports.map(({ service }) => service)]) {
      for (const scheme of transport.schemes) this.#transports.set(`${scheme}:`, transport);
    }
  }

  /** Loads, validates, sets up, links and compiles; opens nothing. Throws a ConfigError with all that is wrong. */
  static async load(
    input: ProxyConfig | ConfigFunction,
    proxy: ProxyState,
    options: GenerationOptions,
  ): Promise<Generation> {
    const config = typeof input === "function" ? await input({ mode: options.mode }) : input;
    const plugins = await validateConfig(config);
    let generation: Generation | undefined;
    const registry: Registry = new Registry(
      proxy.ledger,
      {
        health: (target, up, reporter, reason) => {
          if (!registry.silent) generation?.tellHealth(target, up, reporter, reason);
        },
        thrown: (pool, error) => proxy.log.error(`a listener of pool ${pool} threw:`, error),
        source: (pool, source, error) => registry.noteSource(pool, source, error, proxy.log),
      },
      routeDefaults(config.retry, config.timeouts),
    );
    const abort = new AbortController();
    try {
      await setUp(registry, plugins, {
        ...options,
        config,
        signal: abort.signal,
        proxy,
      });
      const routes = createDefaultRoutes(config, registry);
      registry.link();
      const names = plugins.map(({ instance }) => instance.name);
      const sites = createSites(config, registry, routes, proxy.log);
      const conditions = conditionsOf(config, registry);
      generation = new Generation(proxy, config, options.number, {
        registry,
        plugins: names,
        sites,
        conditions,
        abort,
      });
      return generation;
    } catch (error) {
      abort.abort();
      for (const pool of registry.pools()) pool.close();
      throw placed(error, plugins);
    }
  }

  /** Discovers, probes, gets ready. A throw leaves nothing behind. */
  async start(): Promise<void> {
    try {
      await this.discover();
      await this.#tasks.start();
      this.flush();
      for (const { plugin, task } of this.registry.ready) await blamed(plugin, "onReady", task);
      this.flush();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** From now on this generation is the one that serves. */
  goLive(): void {
    this.registry.goLive();
    this.flush();
  }

  async discover(): Promise<void> {
    const sources = this.registry.scopes().flatMap(({ services }) => services.providers("discovery"));
    for (const { plugin, name, service } of sources) {
      const sink = this.registry.pool(service.pool ?? "default").sink(name);
      await blamed(plugin, "discovery", () => service.start(sink, this.#abort.signal));
    }
    this.flush();
  }

  tellHealth(target: Target, up: boolean, reporter: string, reason: string): void {
    this.#health?.(target, up, reporter, reason);
  }

  enter(): void {
    this.active += 1;
  }

  leave(x: ActiveExchange, outcome: Outcome | undefined): void {
    this.active -= 1;
    if (outcome !== undefined) x.site.phases.end?.(x, outcome);
    if (this.active === 0) this.#idle?.();
  }

  /** Stops what runs by itself and closes when the last exchange has ended. */
  async retire(): Promise<void> {
    this.registry.silent = true;
    this.#tasks.stop();
    if (this.active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.close();
  }

  /** Ends the plugins; exchanges still under way go on without what those had open. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.closed = true;
    this.registry.silent = true;
    this.#tasks.stop();
    this.#abort.abort();
    for (const { plugin, task } of this.registry.closing.toReversed()) await this.#quietly(plugin, task);
    for (const pool of this.registry.pools()) pool.close();
    const transports = this.registry.scopes().flatMap(({ services }) => services.providers("transport"));
    for (const { plugin, service } of transports) {
      await this.#quietly(plugin, () => service.close?.());
    }
  }

  /** The others have to be closed whatever one does. */
  async #quietly(plugin: string, task: () => Awaitable<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.log.error(`plugin ${plugin} failed to close:`, error);
    }
  }

  /** Publishes what changed in the pools now. */
  flush(): void {
    for (const pool of this.registry.pools()) pool.flush();
  }

  /** Bytes of body the plugins want to see of this request; -1: none of it. */
  bodyLimit(x: ActiveExchange): number {
    const { any, json } = x.site.body;
    const read = json && x.hasBody && bodyMethods.has(x.method) && isJson(x.contentType);
    if (read) return Math.max(any, this.proxy.limits.inspect);
    return any > 0 ? any : -1;
  }

  /** What is served by a listener; undefined: this config has none of that name. */
  sites(listener: string): SiteTable | undefined {
    return this.#sites.get(listener);
  }

  /** Of all listeners, each once. */
  everySite(): Site[] {
    return [...new Set([...this.#sites.values()].flatMap(({ all }) => all))];
  }

  transport(target: PoolTarget): Transport {
    const scheme = target.origin.slice(0, target.origin.indexOf(":") + 1);
    const transport = this.#transports.get(scheme);
    if (transport === undefined) throw new Error(`no transport for ${scheme} of target ${target.id}`);
    return transport;
  }

  trusts(x: ActiveExchange): boolean {
    return this.#trusted.any && this.#trusted.has(x.connection.peer);
  }

  clientAddress(x: ActiveExchange): string | undefined {
    const peer = x.connection.peer || undefined;
    if (!this.#trusted.any || x.forwarded === undefined) return peer;
    return clientAddress(peer, x.forwardedFor(), this.#trusted);
  }
}

interface Loaded {
  readonly registry: Registry;
  readonly plugins: readonly string[];
  readonly sites: ReadonlyMap<string, SiteTable>;
  readonly conditions: ReadonlyMap<string, Condition>;
  readonly abort: AbortController;
}
