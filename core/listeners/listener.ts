import type { ConsolaInstance } from "consola";
import type { ListenerState, ListenerStatus } from "../contract/proxy.ts";
import type { Condition } from "../contract/services.ts";
import type { Attached } from "../wire/server.ts";
import { explainListening } from "./listen-fault.ts";
import { type PortOptions, urlOf } from "./port-server.ts";
import { textOf } from "../errors.ts";

/** What a listener needs of the proxy it is for. */
export interface ListenerTools {
  readonly log: ConsolaInstance;
  /** Rejects when the port cannot be had. */
  open(name: string, options: PortOptions): Promise<Opened>;
  /** Takes no more connections from now on; resolves when the last one has ended. */
  drain(attached: Attached): Promise<void>;
}

export interface Opened {
  readonly attached: Attached;
  readonly port: number;
}

const firstRetry = 1_000;
const longestRetry = 30_000;

/** A port that is open while its condition holds, any number of times. */
export class Listener {
  readonly name: string;
  readonly options: PortOptions;
  readonly #tools: ListenerTools;
  readonly #condition: () => Condition | undefined;
  #opened: Opened | undefined;
  #closing = 0;
  #reason: string | undefined;
  #waiting: NodeJS.Timeout | undefined;
  #retry = firstRetry;
  #over = false;
  #quiet = false;
  #settling: Promise<void> | undefined;
  #again = false;

  constructor(name: string, options: PortOptions, tools: ListenerTools, condition: () => Condition | undefined) {
    this.name = name;
    this.options = options;
    this.#tools = tools;
    this.#condition = condition;
  }

  /** Listens for the first time, which is told by whoever starts it. One without a condition rejects when it cannot. */
  async start(): Promise<void> {
    this.#quiet = true;
    if (this.#condition() === undefined) await this.#open();
    else await this.check();
    this.#quiet = false;
  }

  /** Opens or closes as the condition says; what changes meanwhile is looked at again. */
  check(): Promise<void> {
    this.#again = true;
    return (this.#settling ??= this.#settle().finally(() => (this.#settling = undefined)));
  }

  /** For good. Resolves when no connection is left. */
  async close(): Promise<void> {
    this.#over = true;
    await this.check();
  }

  status(): ListenerStatus {
    const { name, options } = this;
    const port = this.#opened?.port ?? options.port;
    const url = this.#opened === undefined ? undefined : urlOf(options, port);
    return { name, host: options.host, port, url, state: this.#state(), reason: this.#reason };
  }

  #state(): ListenerState {
    if (this.#opened !== undefined) return "open";
    if (this.#waiting !== undefined) return "waiting";
    return this.#closing > 0 ? "draining" : "closed";
  }

  async #settle(): Promise<void> {
    const ends: Promise<void>[] = [];
    while (this.#again) {
      this.#again = false;
      const why = this.#whyNot();
      if (why !== undefined) ends.push(this.#shut(why));
      else if (this.#opened === undefined && this.#waiting === undefined)
        await this.#open().catch((error: unknown) => this.#wait(error));
    }
    if (this.#over) await Promise.all(ends);
  }

  /** Why it should not listen; undefined: it should. */
  #whyNot(): string | undefined {
    if (this.#over) return "the proxy no longer has it";
    const condition = this.#condition();
    try {
      if (condition === undefined || condition.holds()) return undefined;
      return condition.why?.() ?? "its condition does not hold";
    } catch (error) {
      return `its condition failed: ${textOf(error)}`;
    }
  }

  async #open(): Promise<void> {
    this.#stopWaiting();
    this.#opened = await this.#tools.open(this.name, this.options);
    this.#retry = firstRetry;
    this.#reason = undefined;
    if (this.#quiet) return;
    this.#tools.log.info(`listener ${this.name}: ${urlOf(this.options, this.#opened.port)} is open`);
  }

  #wait(error: unknown): void {
    const reason = explainListening(error, this.options);
    if (reason !== this.#reason) this.#tools.log.warn(`listener ${this.name}: ${reason}; it is tried again`);
    this.#reason = reason;
    this.#waiting = setTimeout(() => {
      this.#waiting = undefined;
      void this.check();
    }, this.#retry).unref();
    this.#retry = Math.min(longestRetry, this.#retry * 2);
  }

  #stopWaiting(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.#retry = firstRetry;
  }

  async #shut(why: string): Promise<void> {
    this.#stopWaiting();
    this.#reason = why;
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    this.#closing += 1;
    const count = opened.attached.connections.size;
    this.#tools.log.info(`listener ${this.name}: closes, ${why}${count > 0 ? `; ${count} connections may end` : ""}`);
    await this.#tools.drain(opened.attached);
    this.#closing -= 1;
  }
}
