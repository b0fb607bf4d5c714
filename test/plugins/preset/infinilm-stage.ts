import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { createConsola } from "consola";
import { createProxy, definePlugin, type Plugin, type ProxyConfig } from "plugboard";
import { infinilm, type InfinilmOptions } from "plugboard/plugins/preset/infinilm";
import { onTestFinished, vi } from "vitest";

/** An engine with a model, that counts what it is asked. */
export interface Service {
  readonly name: string;
  readonly port: number;
  /** Requests other than probes; probes. */
  readonly asked: readonly string[];
  readonly probes: number;
  /** How it answers from now on. */
  answer(listener: RequestListener): void;
  /** What probes get from now on; undefined: no answer, but a reset. */
  health(status: number | undefined): void;
  close(): void;
  open(): Promise<void>;
}

export const echo =
  (name: string): RequestListener =>
  (req, res) => {
    void buffer(req).then((body) => res.end(JSON.stringify({ by: name, path: req.url, body: body.toString() })));
  };

export async function openService(name: string): Promise<Service> {
  let listener = echo(name);
  let status: number | undefined = 200;
  let probes = 0;
  const asked: string[] = [];
  const server = createServer((req: IncomingMessage, res: ServerResponse) => {
    if (req.url !== "/health") {
      asked.push(`${req.method} ${req.url}`);
      listener(req, res);
      return;
    }
    probes += 1;
    if (status === undefined) req.socket.destroy();
    else res.writeHead(status).end();
  });
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(close);
  const { port } = server.address() as AddressInfo;
  return {
    name,
    port,
    asked,
    get probes() {
      return probes;
    },
    answer: (next) => void (listener = next),
    health: (next) => void (status = next),
    close,
    async open() {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    },
  };
}

export interface Registry {
  readonly url: string;
  /** Times that it was asked for its services. */
  readonly asked: number;
  /** What it lists from now on; undefined: it resets every connection. */
  list(entries: readonly object[] | undefined): void;
}

/** Answers like InfiniLM's registry, which knows no ETag and no watching. */
export async function openRegistry(...entries: readonly object[]): Promise<Registry> {
  let listed: readonly object[] | undefined = entries;
  let asked = 0;
  const server = createServer((req, res) => {
    asked += 1;
    if (listed === undefined) req.socket.destroy();
    else
      res
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ services: listed, total: listed.length, timestamp: new Date().toISOString() }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get asked() {
      return asked;
    },
    list: (next) => void (listed = next),
  };
}

/** As the registry tells of a service: whatever becomes of it, it is healthy. */
export function entryOf({ name, port }: Service, metadata: object = {}, more: object = {}): object {
  const now = Date.now() / 1_000;
  return {
    name,
    host: "127.0.0.1",
    port,
    hostname: "127.0.0.1",
    url: `http://127.0.0.1:${port}`,
    status: "running",
    timestamp: new Date().toISOString(),
    last_heartbeat: now,
    health_status: "unknown",
    is_healthy: true,
    metadata: { type: "openai-api", models: ["m"], ...metadata },
    ...more,
  };
}

export interface Router {
  readonly url: string;
  /** Changes of health, as in "one down". */
  readonly changes: readonly string[];
  json(path: string): Promise<Record<string, unknown>>;
  /** Of `/services`, by name. */
  healthy(): Promise<Record<string, boolean>>;
  /** A POST that names a model, unless `fields` say otherwise. */
  ask(fields?: object, headers?: Record<string, string>): Promise<Response>;
  /** Who answered. */
  by(fields?: object, headers?: Record<string, string>): Promise<string>;
}

/** A router that looks at everything far more often than any that is in use. */
export async function openRouter(options: InfinilmOptions, config: Omit<ProxyConfig, "plugins"> = {}): Promise<Router> {
  const quick = { healthInterval: 20, healthTimeout: 2_000, registrySyncInterval: 20, removalGracePeriod: 60 };
  const changes: string[] = [];
  const plugins = [watcher(changes), infinilm({ ...quick, ...options })];
  const proxy = await createProxy({ ...config, plugins }, { log: createConsola({ level: -999 }) });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const { url } = await proxy.listen();
  const json: Router["json"] = async (path) => (await (await fetch(url + path)).json()) as Record<string, unknown>;
  const ask: Router["ask"] = (fields = {}, headers = {}) =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "m", ...fields }),
    });
  return {
    url,
    changes,
    json,
    ask,
    async healthy() {
      const { services } = (await json("/services")) as { services: { name: string; healthy: boolean }[] };
      return Object.fromEntries(services.map(({ name, healthy }) => [name, healthy]));
    },
    by: async (fields, headers) => ((await (await ask(fields, headers)).json()) as { by: string }).by,
  };
}

function watcher(changes: string[]): Plugin {
  return definePlugin({
    name: "watcher",
    setup: () => ({
      health({ id }, up) {
        changes.push(`${id} ${up ? "up" : "down"}`);
        return undefined;
      },
    }),
  })();
}

/** Settles when `check` no longer throws or rejects; patient enough for a busy machine, and below the time-out of a test. */
export function until<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 4_000, interval: 10 });
}

/** How often each answered. */
export function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
