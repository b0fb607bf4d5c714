import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createConsola } from "consola";
import { expect, onTestFinished, vi } from "vitest";
import {
  createProxy,
  definePlugin,
  type Plugin,
  type Proxy,
  type ProxyConfig,
  type Reporter,
  type TargetSpec,
} from "plugboard";

/** A proxy that listens, and its pages. */
export interface Started {
  readonly proxy: Proxy;
  readonly config: ProxyConfig;
  get(path: string): Promise<Response>;
  json(path: string): Promise<Record<string, unknown>>;
  /** `/stats`, once so many exchanges have ended. */
  stats(ended: number): Promise<Record<string, unknown>>;
  reporter(): Reporter;
}

/** A target that is never asked anything. */
export function spec(id: string): TargetSpec {
  return { id, url: `http://127.0.0.1:9/${id}` };
}

export async function start(
  plugins: readonly Plugin[],
  pools: Readonly<Record<string, readonly TargetSpec[]>>,
  rest: Partial<ProxyConfig> = {},
): Promise<Started> {
  let reporter: Reporter | undefined;
  const targets = definePlugin({
    name: "targets",
    setup(setup) {
      reporter = setup.reporter("suite");
      for (const [pool, specs] of Object.entries(pools)) {
        setup.provide("discovery", `targets ${pool}`, { pool, start: (sink) => sink.replace(specs) });
      }
    },
  });
  const config = { ...rest, plugins: [targets(), ...plugins] };
  const proxy = await createProxy(config, { log: createConsola({ level: -999 }) });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const { url } = await proxy.listen();
  const get = (path: string): Promise<Response> => fetch(url + path);
  const json = async (path: string): Promise<Record<string, unknown>> =>
    (await (await get(path)).json()) as Record<string, unknown>;
  return {
    proxy,
    config,
    get,
    json,
    reporter: () => reporter as Reporter,
    stats: (ended) =>
      vi.waitFor(async () => {
        const page = await json("/stats");
        expect(page.requests).toMatchObject({ total: expect.toSatisfy((total: number) => total >= ended) });
        return page;
      }),
  };
}

/** Routes `/chat`, for the model `fast`, and nothing else. */
export function routed(): Plugin {
  return definePlugin({
    name: "routed",
    setup(proxy) {
      const route = proxy.createRoute({ name: "the route" });
      return {
        resolve(x) {
          x.model = "fast";
          return x.path === "/chat" ? route : undefined;
        },
      };
    },
  })();
}

/** Opens an upstream that always answers the same. */
export async function upstream({ body, ...headers }: { body: string; "content-type"?: string }): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(200, headers).end(body));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
