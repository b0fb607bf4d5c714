import { Agent } from "undici";
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
  /** Checks all of a store and writes down what was found; not a heartbeat, and not a reason to fail. */
  round(store: RegistryStore, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const atOnce = 64;
const mostBytes = 65_536;

export function createChecker({ rules, timeout }: CheckerOptions): Checker {
  const running = new Map<string, Promise<"healthy" | "unhealthy">>();
  let agent: Agent | undefined;

  async function ask(service: Service): Promise<"healthy" | "unhealthy"> {
    const url = toHealthUrl(service);
    if (url === undefined || refusePort(Number(url.port)) !== undefined || rules.refuseHost(url.hostname) !== undefined)
      return "unhealthy";
    agent ??= new Agent({
      // A connection for each check, so that each name is resolved and looked at again.
      pipelining: 0,
      connect: { timeout, lookup: rules.lookup },
      // The signal keeps the time; undici's own tick every 500 ms.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    try {
      const { origin, pathname: path } = url;
      const signal = AbortSignal.timeout(timeout);
      const { statusCode, body } = await agent.request({ origin, path, method: "GET", signal });
      await readSome(body);
      return statusCode >= 200 && statusCode < 300 ? "healthy" : "unhealthy";
    } catch {
      return "unhealthy"; // Whatever it was is the service's to mend.
    }
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

  return {
    check,
    async round(store, signal) {
      const services = [...store.all()].values();
      async function readOn(): Promise<void> {
        for (const service of services) {
          if (signal.aborted) return;
          const health = await check(service);
          // It may have moved while it was asked.
          if (!signal.aborted && store.get(service.name)?.url === service.url)
            await store.checked(service.name, health, false);
        }
      }
      await Promise.all(Array.from({ length: atOnce }, readOn)).catch((error: unknown) => {
        // The store tells that itself, and the next round comes.
        if (!isStoreAway(error)) throw error;
      });
    },
    async close() {
      await agent?.destroy();
      agent = undefined;
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

/** Leaving the loop early destroys the connection. */
async function readSome(body: AsyncIterable<Uint8Array>): Promise<void> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes >= mostBytes) return;
  }
}
