import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createConsola } from "consola";
import {
  createProxy,
  definePlugin,
  type Exchange,
  type Plugin,
  type Proxy,
  type ProxyConfig,
  type Reporter,
  type TargetSpec,
} from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { onTestFinished } from "vitest";
import { counter, type Counter, within } from "../../wire/waiting.ts";

/** A request that an upstream has, and does not answer before it is told to. */
export interface Held {
  readonly path: string;
  readonly target: string;
  answer(status?: number): void;
  /** Settles when the proxy has hung up. */
  readonly left: Promise<unknown>;
}

export interface Answer {
  readonly status: number;
  readonly code: string | null;
  readonly retryAfter: string | null;
}

export interface QueueStage {
  readonly proxy: Proxy;
  readonly config: ProxyConfig;
  readonly reporter: Reporter;
  /** Requests that came to the phase; that no target took; that are over. */
  readonly admitted: Counter;
  readonly recovering: Counter;
  readonly ended: Counter;
  /** Most requests that an upstream had at once. */
  readonly most: () => number;
  readonly log: () => string;
  ask(path: string, init?: RequestInit): Promise<Answer>;
  /** The next request that reaches an upstream. */
  next(): Promise<Held>;
}

export interface QueueStageOptions {
  /** By id. */
  readonly targets?: Readonly<Record<string, Partial<TargetSpec>>>;
  /** Behind those that watch, and before the targets' own. */
  readonly plugins: readonly Plugin[];
  readonly config?: Omit<ProxyConfig, "plugins">;
  /** Sees each request that is let in, when it is still in the phase. */
  readonly onAdmit?: (x: Exchange) => void;
  readonly onAttemptEnd?: (x: Exchange) => void;
}

/** A proxy with upstreams that hold each request until the test answers it. */
export async function openQueue(options: QueueStageOptions): Promise<QueueStage> {
  const { targets = { only: { maxConcurrency: 1 } }, plugins, config = {} } = options;
  const upstream = await holdingUpstream();
  const [admitted, recovering, ended] = [counter(), counter(), counter()];
  const lines: string[] = [];
  let reporter: Reporter | undefined;
  const watch = definePlugin({
    name: "watch",
    setup(proxy) {
      reporter = proxy.reporter("test");
      return {
        admit(x) {
          options.onAdmit?.(x);
          admitted.add();
        },
        recover: () => recovering.add(),
        attemptEnd(x) {
          options.onAttemptEnd?.(x);
          return undefined;
        },
        end() {
          ended.add();
          return undefined;
        },
      };
    },
  });
  const specs = Object.entries(targets).map(([id, spec]) => ({ id, url: `${upstream.url}/${id}`, ...spec }));
  const whole = { ...config, plugins: [watch(), staticTargets({ targets: specs }), ...plugins] };
  const log = createConsola({ level: 3, reporters: [{ log: ({ args }) => void lines.push(args.join(" ")) }] });
  const proxy = await createProxy(whole, { log });
  onTestFinished(async () => {
    await proxy.close({ deadline: 0 });
    upstream.close();
  });
  const { url } = await proxy.listen();
  return {
    proxy,
    config: whole,
    get reporter() {
      return reporter as Reporter;
    },
    admitted,
    recovering,
    ended,
    most: upstream.most,
    log: () => lines.join("\n"),
    next: () => within(upstream.next(), "a request reaches an upstream"),
    async ask(path, init) {
      const { status, headers, body } = await fetch(url + path, init);
      for await (const _ of body ?? []) continue;
      return { status, code: headers.get("x-proxy-error"), retryAfter: headers.get("retry-after") };
    },
  };
}

async function holdingUpstream() {
  const came: Held[] = [];
  const wanted: ((held: Held) => void)[] = [];
  let under = 0;
  let most = 0;
  const server = createServer((req, res) => {
    under += 1;
    most = Math.max(most, under);
    const left = once(res, "close").then(() => (under -= 1));
    const [, target = "", ...rest] = (req.url ?? "").split("/");
    const held = { target, path: `/${rest.join("/")}`, left, answer: (status = 200) => end(res, status) };
    const next = wanted.shift();
    if (next === undefined) came.push(held);
    else next(held);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    most: () => most,
    next: async (): Promise<Held> => came.shift() ?? new Promise((resolve) => wanted.push(resolve)),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function end(res: ServerResponse, status: number): void {
  if (!res.headersSent) res.writeHead(status).end("done");
}
