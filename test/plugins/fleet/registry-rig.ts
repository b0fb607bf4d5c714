import { createConsola } from "consola";
import { createProxy, type Plugin, type Proxy, type ProxyConfig } from "plugboard";
import { registry, type RegistryOptions } from "plugboard/plugins/fleet/registry";
import { onTestFinished } from "vitest";

/** A registry that listens. */
export interface StartedRegistry {
  readonly proxy: Proxy;
  readonly url: string;
  readonly config: ProxyConfig;
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Called>;
  register(fields?: object, headers?: Readonly<Record<string, string>>): Promise<Called>;
}

export interface Called {
  readonly status: number;
  readonly headers: Headers;
  // What an API answers can be anything; the tests say what they expect.
  readonly body: Record<string, unknown>;
}

export const service = {
  name: "a",
  host: "127.0.0.1",
  port: 8001,
  hostname: "node-1",
  url: "http://127.0.0.1:8001",
  status: "running",
};

export async function startRegistry(
  options: RegistryOptions = {},
  others: readonly Plugin[] = [],
): Promise<StartedRegistry> {
  const config: ProxyConfig = { plugins: [registry({ healthInterval: 0, ...options }), ...others] };
  const proxy = await createProxy(config, { log: createConsola({ level: -999 }) });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const { url } = await proxy.listen();
  const call: StartedRegistry["call"] = async (method, path, body, headers = {}) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const typed = { ...(body !== undefined && { "content-type": "application/json" }), ...headers };
    return toCalled(await fetch(url + path, { method, headers: typed, ...(body !== undefined && { body: text }) }));
  };
  return {
    proxy,
    url,
    config,
    call,
    register: (fields, headers) => call("POST", "/services", { ...service, ...fields }, headers),
  };
}

async function toCalled(response: Response): Promise<Called> {
  const text = await response.text();
  const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, headers: response.headers, body };
}

export interface WatchEvent {
  readonly event: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

export interface Watch {
  readonly status: number;
  readonly headers: Headers;
  /** The next event; fails if the stream ends first. */
  next(): Promise<WatchEvent>;
  /** Resolves when the stream has ended. */
  ended(): Promise<void>;
  leave(): void;
}

export async function watch(url: string, fetched: typeof fetch = fetch): Promise<Watch> {
  const abort = new AbortController();
  const response = await fetched(`${url}/services?watch=true`, { signal: abort.signal });
  onTestFinished(() => abort.abort());
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  async function next(): Promise<WatchEvent> {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end !== -1) {
        const frame = text.slice(0, end);
        text = text.slice(end + 2);
        if (!frame.startsWith(":")) return parse(frame);
        continue;
      }
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) throw new Error("the stream has ended");
      text += chunk.value;
    }
  }
  return {
    status: response.status,
    headers: response.headers,
    next,
    async ended() {
      for (;;) if ((await reader?.read())?.done !== false) return;
    },
    leave: () => abort.abort(),
  };
}

function parse(frame: string): WatchEvent {
  const fields = new Map(
    frame.split("\n").map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
  );
  const read = (field: string): string => fields.get(field) ?? "";
  return { event: read("event"), id: read("id"), data: JSON.parse(read("data")) as Record<string, unknown> };
}
