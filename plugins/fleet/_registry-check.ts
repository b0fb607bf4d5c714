import { setMaxListeners } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import type { LookupFunction } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { AddressRules } from "../../core/index.ts";
import { refusePort, toHost } from "./_registry-address.ts";
import { isStoreAway, type RegistryStore, type Service } from "./_registry-store.ts";

export interface CheckerOptions {
  readonly rules: AddressRules;
  /** Milliseconds a whole check may take. */
  readonly timeout: number;
}

/** Asks services whether they are well, wherever their address leads now. */
export interface Checker {
  /** One at a time for each service: who asks meanwhile gets the same answer. Never rejects. */
  check(service: Service): Promise<"healthy" | "unhealthy">;
  /**
   * Checks all of a store and writes down what was found; not a heartbeat, and not a reason to fail. Thousands are spread
   * over `within` milliseconds, as all at once would hold up everything else.
   */
  round(store: RegistryStore, within: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const atOnce = 64;
/** Milliseconds between two lots of a round. */
const lotEvery = 100;
const mostBytes = 65_536;

export function createChecker({ rules, timeout }: CheckerOptions): Checker {
  const running = new Map<string, Promise<"healthy" | "unhealthy">>();
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);

  async function ask(service: Service): Promise<"healthy" | "unhealthy"> {
    const url = toHealthUrl(service);
    if (url === undefined || refusePort(Number(url.port)) !== undefined || rules.refuseHost(url.hostname) !== undefined)
      return "unhealthy";
    return (await passes(url, { lookup: rules.lookup, timeout, signal: closing.signal })) ? "healthy" : "unhealthy";
  }

  function check(service: Service): Promise<"healthy" | "unhealthy"> {
    const key = `${service.name} ${service.host} ${service.port} ${service.url}`;
    let answer = running.get(key);
    if (answer === undefined) {
      answer = ask(service).finally(() => running.delete(key));
      running.set(key, answer);
    }
    return answer;
  }

  async function note(service: Service, store: RegistryStore, signal: AbortSignal): Promise<void> {
    const health = await check(service);
    // It may have moved while it was asked.
    if (!signal.aborted && store.get(service.name)?.url === service.url)
      await store.checked(service.name, health, false);
  }

  return {
    check,
    async round(store, within, signal) {
      const services = [...store.all()];
      const lots = Math.max(1, Math.floor(within / lotEvery));
      const size = Math.max(atOnce, Math.ceil(services.length / lots));
      try {
        for (let from = 0; from < services.length && !signal.aborted; from += size) {
          if (from > 0) await pause(lotEvery, undefined, { signal });
          await Promise.all(services.slice(from, from + size).map((service) => note(service, store, signal)));
        }
      } catch (error) {
        // The store tells that itself, and the next round comes.
        if (!isStoreAway(error) && !signal.aborted) throw error;
      }
    },
    async close() {
      closing.abort();
      await Promise.all(running.values());
    },
  };
}

/** What serves a model need not know of health; its babysitter, one port further, does. */
function toHealthUrl({ host, port, url, metadata }: Service): URL | undefined {
  if (metadata["type"] !== "openai-api") return parsed(`${url.replace(/\/$/, "")}/health`);
  const at = toHost(host);
  return typeof at === "string" ? parsed(`http://${at}:${port + 1}/health`) : undefined;
}

function parsed(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}

interface Asking {
  readonly lookup: LookupFunction;
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/**
 * Whether it answers 2xx in time, with a whole body or a long one. By Node's own client on a connection of its own: each
 * name is resolved and looked at again, and a pool for each of thousands of origins would cost more than the check.
 */
function passes(url: URL, { lookup, timeout, signal }: Asking): Promise<boolean> {
  return new Promise((resolve) => {
    const { get } = url.protocol === "https:" ? https : http;
    const request = get(url, { agent: false, lookup, signal }, (response) => {
      const { statusCode = 0 } = response;
      const passed = statusCode >= 200 && statusCode < 300;
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.byteLength;
        if (bytes >= mostBytes) done(passed);
      });
      response.on("end", () => done(passed));
      response.on("error", () => done(false));
      response.on("close", () => done(false));
    });
    const timer = setTimeout(() => done(false), timeout);
    function done(passed: boolean): void {
      clearTimeout(timer);
      request.destroy();
      resolve(passed);
    }
    // Whatever it was is the service's to mend.
    request.on("error", () => done(false));
  });
}
