import type { Server } from "node:http";
import type { ListenerStatus, ProxyConfig } from "../contract/proxy.ts";
import type { Condition } from "../contract/services.ts";
import type { ProxyState } from "../proxy-state.ts";
import { type ConnectionCounts, ConnectionLimit } from "../wire/connection-limit.ts";
import { announceEnd, drain, endAll } from "../wire/drain.ts";
import { type Acceptor, attach, type Attached, tune } from "../wire/server.ts";
import { ListenError } from "./listen-fault.ts";
import { Listener, type Opened } from "./listener.ts";
import { createPortServer, listenOn, type PortOptions, urlOf } from "./port-server.ts";

const look = 1_000;

/** All servers that a proxy answers on: its own port, those of its listeners, and those that it was given. */
export class Ports {
  readonly #state: ProxyState;
  readonly #acceptor: Acceptor;
  readonly #condition: (listener: string) => Condition | undefined;
  readonly #attached: Set<Attached> = new Set();
  readonly #limit: ConnectionLimit;
  readonly #main: { readonly options: PortOptions; readonly port: number }[] = [];
  readonly #listeners: Map<string, Listener> = new Map();
  /** Ends the drains of single listeners when the whole proxy closes. */
  readonly #over: AbortController = new AbortController();
  #started = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(state: ProxyState, acceptor: Acceptor, condition: (listener: string) => Condition | undefined) {
    this.#state = state;
    this.#acceptor = acceptor;
    this.#condition = condition;
    this.#limit = new ConnectionLimit(state.log);
  }

  attach(server: Server, name?: string): Attached {
    const attached = attach(server, this.#acceptor, this.#limit, name);
    this.#attached.add(attached);
    return attached;
  }

  /** Listens on the proxy's own port, and the first time on those of its listeners. */
  async listen(options: PortOptions, listeners: ProxyConfig["listeners"]): Promise<{ url: string; port: number }> {
    const { attached, port } = await this.#open("main", options);
    this.#main.push({ options, port });
    if (!this.#started) {
      this.#started = true;
      await this.#start(listeners).catch(async (error: unknown) => {
        this.#main.pop();
        this.#discard(attached);
        await this.#closeListeners([...this.#listeners.keys()]);
        this.#started = false;
        throw error;
      });
    }
    return { url: urlOf(options, port), port };
  }

  /** Takes in what a reload changed. */
  configure(listeners: ProxyConfig["listeners"] = {}): void {
    for (const { server } of this.#attached) tune(server, this.#state.limits);
    this.#limit.configure(this.#state.limits.connections);
    if (!this.#started) return;
    const kept = new Set(Object.keys(listeners).filter((name) => this.#isSame(name, listeners)));
    void this.#closeListeners([...this.#listeners.keys()].filter((name) => !kept.has(name)));
    for (const name of Object.keys(listeners)) if (!kept.has(name)) this.#add(name, listeners);
    this.check();
    this.#keepLooking();
  }

  /** Opens and closes listeners as their conditions say. */
  check(): void {
    if (!this.#started || this.#over.signal.aborted) return;
    for (const listener of this.#listeners.values()) void listener.check();
  }

  statuses(): ListenerStatus[] {
    const main = this.#main.map(({ options, port }): ListenerStatus => {
      return { name: "main", host: options.host, port, url: urlOf(options, port), state: "open", reason: undefined };
    });
    return [...main, ...[...this.#listeners.values()].map((listener) => listener.status())];
  }

  connections(): ConnectionCounts {
    const { open, most, dropped } = this.#limit;
    return { open, most: most === Infinity ? undefined : most, dropped };
  }

  /** Lets everything under way end, until the deadline or until `now` aborts. */
  async drain(deadline: number, now: AbortSignal): Promise<void> {
    const { limits, active } = this.#state;
    this.#over.abort();
    clearInterval(this.#timer);
    await drain([...this.#attached], { limits, deadline, now, isDone: () => active.size === 0 });
  }

  destroy(): void {
    for (const attached of this.#attached) attached.destroy();
    // No drain of its own is under way any more, so that this waits for nothing.
    void this.#closeListeners([...this.#listeners.keys()]);
  }

  async #start(listeners: ProxyConfig["listeners"] = {}): Promise<void> {
    for (const name of Object.keys(listeners)) await this.#add(name, listeners).start();
    this.#keepLooking();
  }

  #add(name: string, listeners: NonNullable<ProxyConfig["listeners"]>): Listener {
    const listener = new Listener(
      name,
      toOptions(listeners[name] as PortWish),
      {
        log: this.#state.log,
        open: (_, options) => this.#open(name, options),
        drain: (attached) => this.#drainOne(attached),
      },
      () => this.#condition(name),
    );
    this.#listeners.set(name, listener);
    return listener;
  }

  async #closeListeners(names: readonly string[]): Promise<void> {
    const ends: Promise<void>[] = [];
    for (const name of names) {
      const listener = this.#listeners.get(name);
      this.#listeners.delete(name);
      if (listener !== undefined) ends.push(listener.close());
    }
    await Promise.all(ends);
  }

  #isSame(name: string, listeners: NonNullable<ProxyConfig["listeners"]>): boolean {
    const running = this.#listeners.get(name);
    return (
      running !== undefined &&
      JSON.stringify(running.options) === JSON.stringify(toOptions(listeners[name] as PortWish))
    );
  }

  async #open(name: string, options: PortOptions): Promise<Opened> {
    const server = await createPortServer(
      options,
      this.#state.limits.headers,
      this.#state.log.withTag(`listener ${name}`),
    );
    const attached = this.attach(server, name);
    try {
      return { attached, port: await listenOn(server, options) };
    } catch (error) {
      this.#discard(attached);
      throw name === "main" ? error : new ListenError(name, options, error);
    }
  }

  /** One listener closes, and the others go on. */
  async #drainOne(attached: Attached): Promise<void> {
    const { limits } = this.#state;
    const { connections } = attached;
    attached.draining = true;
    announceEnd(this.#state, connections);
    const now = this.#over.signal;
    await drain([attached], { limits: { ...limits, drainDelay: 0 }, deadline: limits.drain, now });
    if (now.aborted) return; // The proxy closes, and waits for these connections like for all others.
    await endAll(this.#state, connections);
    this.#discard(attached);
  }

  #discard(attached: Attached): void {
    attached.destroy();
    this.#attached.delete(attached);
  }

  #keepLooking(): void {
    clearInterval(this.#timer);
    const conditional = [...this.#listeners.keys()].some((name) => this.#condition(name) !== undefined);
    this.#timer = conditional ? setInterval(() => this.check(), look).unref() : undefined;
  }
}

type PortWish = { readonly port: number; readonly host?: string } & Pick<ProxyConfig, "tls">;

function toOptions({ port, host = "127.0.0.1", tls }: PortWish): PortOptions {
  return { port, host, tls };
}
