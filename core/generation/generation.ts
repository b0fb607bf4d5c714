import type { RequestListener } from "node:http";
import type { ConsolaInstance } from "consola";
import { isConfigError } from "../config/config-error.ts";
import { validateConfig } from "../config/validate.ts";
import type { Outcome, UpstreamHead } from "../contract/exchange.ts";
import type { ConfigFunction, ProxyConfig } from "../contract/proxy.ts";
import type { Route } from "../contract/route.ts";
import type { Awaitable, Relay, Transport } from "../contract/services.ts";
import type { Mode, Setup, Status } from "../contract/setup.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { ProxyState } from "../proxy-state.ts";
import type { PoolTarget } from "../targets/target.ts";
import { clientAddress, trustedProxies, type TrustedProxies } from "../wire/forwarded.ts";
import { httpTransport } from "../wire/http-transport.ts";
import { isJson } from "../wire/media-type.ts";
import { compile, type Phases } from "./compile.ts";
import { createApp } from "./control.ts";
import { relayChain, type RelayProvider } from "./relay-chain.ts";
import { Registry } from "./registry.ts";
import { routeDefaults } from "./routes.ts";
import { setUp } from "./set-up.ts";
import { Tasks } from "./tasks.ts";

const bodyMethods: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

export interface GenerationOptions {
  readonly number: number;
  readonly mode: Mode;
  readonly status: () => Status;
  /** Missing where nothing runs. */
  readonly explain?: Setup["explain"];
  /** @default what the proxy keeps */
  readonly keep?: ProxyState["keep"];
  /** @default the proxy's */
  readonly random?: () => number;
}

/** One loaded config: compiled phases, plugin instances and their h3 app; replaced whole. */
export class Generation {
  readonly number: number;
  readonly config: ProxyConfig;
  readonly proxy: ProxyState;
  readonly log: ConsolaInstance;
  readonly plugins: readonly string[];
  readonly phases: Phases;
  readonly defaultRoute: Route;
  readonly listener: RequestListener;
  readonly registry: Registry;
  readonly upgrades: ReadonlySet<string>;
  /** Exchanges under way. */
  active = 0;
  closed = false;
  readonly #trusted: TrustedProxies;
  readonly #relays: readonly RelayProvider[];
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
    this.phases = compile(loaded.registry.hooks, proxy.log);
    this.defaultRoute = loaded.defaultRoute;
    this.listener = createApp(loaded.registry.controlRoutes, this.phases);
    this.upgrades = new Set(config.upgrades ?? ["websocket"]);
    this.#trusted = trustedProxies(config.trustedProxies);
    this.#relays = loaded.registry.services.providers("relay");
    for (const transport of [httpTransport, ...loaded.registry.services.all("transport").values()]) {
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
          if (!registry.silent) generation?.phases.health?.(target, up, reporter, reason);
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
        signal: abort.signal,
        proxy,
      });
      const defaultRoute = registry.createRoute({ name: "default" }, "", -1);
      registry.link();
      const names = plugins.map(({ instance }) => instance.name);
      generation = new Generation(proxy, config, options.number, { registry, plugins: names, defaultRoute, abort });
      return generation;
    } catch (error) {
      abort.abort();
      for (const pool of registry.pools()) pool.close();
      throw error;
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
    for (const { plugin, name, service } of this.registry.services.providers("discovery")) {
      const sink = this.registry.pool(service.pool ?? "default").sink(name);
      await blamed(plugin, "discovery", () => service.start(sink, this.#abort.signal));
    }
    this.flush();
  }

  enter(): void {
    this.active += 1;
  }

  leave(x: ActiveExchange, outcome: Outcome | undefined): void {
    this.active -= 1;
    if (outcome !== undefined) this.phases.end?.(x, outcome);
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
    for (const { plugin, service } of this.registry.services.providers("transport")) {
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
    const { any, json } = this.registry.body;
    const read = json && x.hasBody && bodyMethods.has(x.method) && isJson(x.contentType);
    if (read) return Math.max(any, this.proxy.limits.inspect);
    return any > 0 ? any : -1;
  }

  relay(x: ActiveExchange, head: UpstreamHead): Relay | undefined {
    return this.#relays.length === 0 ? undefined : relayChain(this.#relays, x, head);
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

/** Says whose fault a failed start was. */
async function blamed(plugin: string, where: string, run: () => Awaitable<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (isConfigError(error)) throw error;
    throw new Error(`plugin ${plugin} failed in ${where}: ${textOf(error)}`, { cause: error });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface Loaded {
  readonly registry: Registry;
  readonly plugins: readonly string[];
  readonly defaultRoute: Route;
  readonly abort: AbortController;
}
