import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { createConsola } from "consola";
import { onTestFinished } from "vitest";
import {
  createProxy,
  definePlugin,
  type DiscoverySink,
  type Plugin,
  type Pool,
  type Proxy,
  type TargetSpec,
} from "plugboard";

/** An upstream and what it was asked. */
export interface Upstream {
  readonly url: string;
  readonly requests: readonly IncomingMessage[];
}

export async function upstream(
  answer: RequestListener = (_request, response) => void response.end(),
): Promise<Upstream> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** A proxy in front of pools that a test can change. */
export interface Started {
  readonly proxy: Proxy;
  readonly log: readonly string[];
  /** The default pool of the newest generation. */
  pool(): Pool;
  /** Replaces the targets of the default pool. */
  replace(specs: readonly TargetSpec[]): void;
}

export async function start(
  plugins: readonly Plugin[],
  pools: Readonly<Record<string, readonly TargetSpec[]>>,
): Promise<Started> {
  let current: Pool | undefined;
  let started: DiscoverySink | undefined;
  const targets = definePlugin({
    name: "targets",
    setup(setup) {
      current = setup.pool();
      for (const [pool, specs] of Object.entries(pools)) {
        setup.provide("discovery", `targets ${pool}`, {
          pool,
          start(sink) {
            sink.replace(specs);
            if (pool === "default") started = sink;
          },
        });
      }
    },
  });
  const lines: string[] = [];
  const log = createConsola({
    level: 3,
    reporters: [{ log: ({ type, args }) => void lines.push(`${type}: ${args.join(" ")}`) }],
  });
  const proxy = await createProxy({ plugins: [targets(), ...plugins] }, { log });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  return { proxy, log: lines, pool: () => current as Pool, replace: (specs) => started?.replace(specs) };
}
