import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { ConsolaInstance } from "consola";
import { toFetchHandler } from "srvx/node";
import { withoutSecrets } from "./config/show-value.ts";
import type { ConfigFunction, ExplainRequest, Limits, ListenerStatus, Proxy, ProxyConfig } from "./contract/proxy.ts";
import type { Mode, Status } from "./contract/setup.ts";
import { explainWith } from "./explain/explain.ts";
import type { Explanation } from "./explain/explanation.ts";
import { acceptExchange } from "./exchange/accept.ts";
import { Generation } from "./generation/generation.ts";
import { Ports } from "./listeners/ports.ts";
import { ProxyState } from "./proxy-state.ts";
import { connectionClosed } from "./wire/connection.ts";
import { endAll } from "./wire/drain.ts";
import type { Entry, Extras } from "./wire/server.ts";
import { textOf } from "./errors.ts";

export interface ProxyOptions {
  /** @default "serve" */
  readonly mode?: Mode;
  /** Under those of the config. */
  readonly limits?: Limits;
  /** @default consola's own instance */
  readonly log?: ConsolaInstance;
  /** What a plugin sets off that asks for a reload. @default `Proxy.reload` with the same config */
  readonly reload?: () => Promise<{ readonly generation: number }>;
}

/**
 * Loads a config into a running proxy, which serves nothing until it is told to listen.
 *
 * @throws ConfigError with everything that is wrong with the config
 * @example
 * const proxy = await createProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001"] })] });
 * const { url } = await proxy.listen();
 */
export async function createProxy(config: ProxyConfig | ConfigFunction, options: ProxyOptions = {}): Promise<Proxy> {
  const runtime = new Runtime(config, options);
  await runtime.reload(config);
  return runtime;
}

/** Of requests by a server that somebody else made, or by none. */
const ownEntry: Entry = { name: "main", draining: false };

class Runtime implements Proxy {
  readonly #state: ProxyState;
  readonly #mode: Mode;
  readonly #reloadByPlugin: () => Promise<{ readonly generation: number }>;
  #config: ProxyConfig | ConfigFunction;
  #current: Generation | undefined;
  /** On its way to be the current one. */
  #loading: Generation | undefined;
  #number = 0;
  #retired: Set<Generation> = new Set();
  readonly #ports: Ports;
  #reloading: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #now: AbortController = new AbortController();
  readonly #fetch: (request: Request) => Response | Promise<Response>;
  readonly listener: RequestListener = (req, res) => this.#accept(ownEntry, req, res);

  constructor(config: ProxyConfig | ConfigFunction, options: ProxyOptions) {
    this.#state = new ProxyState(options.limits, options.log);
    this.#mode = options.mode ?? "serve";
    this.#reloadByPlugin = options.reload ?? (() => this.reload());
    this.#config = config;
    this.#fetch = toFetchHandler((req: IncomingMessage, res: ServerResponse) => this.#acceptWeb(req, res));
    const acceptor = {
      limits: () => this.#state.limits,
      accept: (entry: Entry, req: IncomingMessage, res: ServerResponse, extras?: Extras) =>
        this.#accept(entry, req, res, extras),
      tunnels: (req: IncomingMessage) => this.#generation().upgrades.has(String(req.headers.upgrade).toLowerCase()),
      listener: this.listener,
    };
    this.#ports = new Ports(this.#state, acceptor, (name) => this.#generation().conditions.get(name));
  }

  async listen(options: Parameters<Proxy["listen"]>[0] = {}): Promise<{ url: string; port: number }> {
    if (this.#closing !== undefined) throw new Error("this proxy is closed");
    const { config } = this.#generation();
    const { port = config.port ?? 0, host = config.host ?? "127.0.0.1", tls = config.tls } = options;
    return this.#ports.listen({ port, host, tls }, config.listeners);
  }

  attach(server: Server, listener = "main"): void {
    if (this.#closing !== undefined) throw new Error("this proxy is closed");
    if (this.#generation().sites(listener) === undefined) throw new Error(`the config has no listener "${listener}"`);
    this.#ports.attach(server, listener);
  }

  listeners(): readonly ListenerStatus[] {
    return this.#ports.statuses();
  }

  async fetch(request: Request): Promise<Response> {
    const left = new AbortController();
    const signal = AbortSignal.any([request.signal, left.signal]);
    const response = await this.#fetch(new Request(request, { signal }));
    // srvx answers 500 in the place of what was never answered.
    request.signal.throwIfAborted();
    if (response.body === null) return response;
    return new Response(
      onCancel(response.body, () => left.abort()),
      response,
    );
  }

  /** One after the other: two reloads at once would race for the swap. */
  async reload(config?: ProxyConfig | ConfigFunction): Promise<{ generation: number }> {
    const next = this.#reloading.then(() => this.#load(config ?? this.#config));
    this.#reloading = next.catch(() => {});
    return next;
  }

  async #load(config: ProxyConfig | ConfigFunction): Promise<{ generation: number }> {
    if (this.#closing !== undefined) throw new Error("this proxy is closed");
    const number = this.#number + 1;
    try {
      const next = await Generation.load(config, this.#state, {
        number,
        mode: this.#mode,
        status: () => this.status(),
        explain: (request) => this.explain(request),
        reload: () => this.#reloadByPlugin(),
      });
      this.#loading = next;
      // The first one has nobody to disturb; a later one may yet be refused.
      if (this.#current === undefined) next.goLive();
      await next.start();
      if (this.#closing !== undefined) throw new Error("this proxy is closed");
      this.#swap(next, config, number);
    } catch (error) {
      this.#state.reloadError = withoutSecrets(textOf(error));
      if (this.#current === undefined) await this.#state.ledger.close();
      throw error;
    } finally {
      this.#loading = undefined;
    }
    return { generation: number };
  }

  #swap(next: Generation, config: ProxyConfig | ConfigFunction, number: number): void {
    const old = this.#current;
    this.#state.configure(next.config);
    this.#current = next;
    this.#config = config;
    this.#number = number;
    this.#state.reloadError = undefined;
    this.#state.ledger.keepReporters(next.registry.reporters);
    next.goLive();
    for (const condition of next.conditions.values()) condition.onChange?.(() => this.#ports.check());
    this.#ports.configure(next.config.listeners);
    if (old !== undefined) this.#retire(old);
  }

  #retire(old: Generation): void {
    this.#retired.add(old);
    void old.retire().then(() => this.#retired.delete(old));
    const open = [...this.#retired].filter((generation) => !generation.closed);
    if (open.length > this.#state.limits.generations) void open[0]?.close();
  }

  explain(request: ExplainRequest = {}): Promise<Explanation> {
    return explainWith(this.#config, request, this.#generation());
  }

  files(): readonly string[] {
    return [...this.#generation().registry.files];
  }

  pools(): ReturnType<Proxy["pools"]> {
    return this.#generation().registry.pools();
  }

  status(): Status {
    const current = this.#current;
    return {
      generation: this.#number,
      active: this.#state.active.size,
      draining: this.#state.draining,
      startedAt: this.#state.startedAt,
      plugins: current?.plugins ?? [],
      listeners: this.#ports.statuses(),
      connections: this.#ports.connections(),
      reloadError: this.#state.reloadError,
      stale: [...(current?.registry.stale.values() ?? [])],
    };
  }

  close(options: { deadline?: number } = {}): Promise<void> {
    if (this.#closing === undefined) this.#closing = this.#close(options.deadline ?? this.#state.limits.drain);
    else this.#now.abort();
    return this.#closing;
  }

  async #close(deadline: number): Promise<void> {
    const state = this.#state;
    state.draining = true;
    await this.#ports.drain(deadline, this.#now.signal);
    await endAll(state);
    this.#ports.destroy();
    await this.#loading?.close();
    await this.#reloading;
    const generations = [...this.#retired, ...(this.#current === undefined ? [] : [this.#current])];
    await Promise.all(generations.map((generation) => generation.close()));
    await state.ledger.close();
    state.active.close();
    state.closed = true;
  }

  #generation(): Generation {
    if (this.#current === undefined) throw new Error("this proxy has no config yet");
    return this.#current;
  }

  /** A request without a socket: what a client's HTTP library would have written is filled in. */
  #acceptWeb(req: IncomingMessage, res: ServerResponse): void {
    const { headers, rawHeaders } = req;
    if (headers.host === undefined) rawHeaders.push("host", (headers.host = "localhost"));
    const framing = headers["transfer-encoding"];
    if (framing !== undefined && headers["content-length"] === undefined) rawHeaders.push("transfer-encoding", framing);
    res.once("finish", () => res.emit("close"));
    req.socket.once("close", () => connectionClosed(req.socket));
    this.#accept(ownEntry, req, res);
  }

  #accept(entry: Entry, req: IncomingMessage, res: ServerResponse, extras?: Extras): void {
    acceptExchange(this.#generation(), entry, req, res, extras);
  }
}

/** The same body; srvx does not tell when its reader gives up. */
function onCancel(body: ReadableStream<Uint8Array>, cancelled: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      cancelled();
      await reader.cancel(reason).catch(() => {}); // The abort above has already broken it.
    },
  });
}
