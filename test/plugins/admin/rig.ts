import { once } from "node:events";
import { createServer, request, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { definePlugin, type DiscoverySink, type Plugin, type Pool, type ProxyConfig, type TargetSpec } from "plugboard";
import { admin, type AdminOptions } from "../../../plugins/admin/admin.ts";
import { type OpenProxy, openProxy } from "../../core/open-proxy.ts";

export interface Called {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
  readonly text: string;
}

export interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Rig {
  readonly proxy: OpenProxy;
  readonly url: string;
  readonly config: ProxyConfig;
  call(path: string, call?: Call): Promise<Called>;
  post(path: string, body?: unknown): Promise<Called>;
  /** What came of a request to a target, by the body of its answer. */
  ask(): Promise<string>;
  /** The default pool of the newest generation. */
  pool(): Pool;
  replace(specs: readonly TargetSpec[]): void;
}

export interface RigOptions {
  readonly admin?: AdminOptions;
  readonly targets?: readonly TargetSpec[];
  readonly plugins?: readonly Plugin[];
  readonly config?: Partial<ProxyConfig>;
  readonly host?: string;
}

/** A proxy that listens, with the plugin and targets that a test can change. */
export async function openAdmin({
  targets = [],
  plugins = [],
  config: rest,
  host,
  ...given
}: RigOptions = {}): Promise<Rig> {
  let current: Pool | undefined;
  let sink: DiscoverySink | undefined;
  let specs = targets;
  const discovery = definePlugin({
    name: "targets",
    setup(setup) {
      current = setup.pool();
      setup.provide("discovery", "targets", {
        start(opened) {
          sink = opened;
          opened.replace(specs);
        },
      });
    },
  });
  const config: ProxyConfig = { plugins: [discovery(), admin(given.admin), ...plugins], ...rest };
  const proxy = await openProxy(config);
  const { port } = await proxy.listen(host === undefined ? {} : { host });
  const url = `http://127.0.0.1:${port}`;
  const call: Rig["call"] = (path, options) => send(url, path, options);
  return {
    proxy,
    url,
    config,
    call,
    post: (path, body) => call(path, { method: "POST", ...(body !== undefined && { body }) }),
    ask: async () => (await call("/")).text,
    pool: () => current as Pool,
    replace(next) {
      specs = next;
      sink?.replace(next);
    },
  };
}

/** As a client without manners sends it, on a connection of its own. */
export function send(url: string, path: string, { method = "GET", body, headers = {} }: Call = {}): Promise<Called> {
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const type = body === undefined || "content-type" in headers ? {} : { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const sent = request(new URL(url), { method, path, agent: false, headers: { ...type, ...headers } });
    sent.on("error", reject);
    sent.on("response", (res) => {
      let got = "";
      res.setEncoding("utf8").on("data", (chunk: string) => (got += chunk));
      res.on("end", () => {
        const isJson = String(res.headers["content-type"]).includes("json");
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: isJson ? (JSON.parse(got) as Called["body"]) : {},
          text: got,
        });
      });
    });
    sent.end(text);
  });
}

/** An upstream that answers with its name, unless it is told otherwise. */
export async function upstream(name: string, answer?: RequestListener): Promise<TargetSpec> {
  const server = createServer(answer ?? ((_request, response) => void response.end(name)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { id: name, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Upstreams a and b. */
export const two = (): Promise<TargetSpec[]> => Promise.all(["a", "b"].map((id) => upstream(id)));

/** Of the default pool, by id. */
export const available = (rig: Rig): string[] => rig.pool().snapshot.available.map(({ id }) => id);

/** Who answered so many requests, each once. */
export async function asked(rig: Rig, times = 4): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < times; i++) answers.push(await rig.ask());
  return [...new Set(answers)].toSorted();
}
