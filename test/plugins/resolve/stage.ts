import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  createProxy,
  definePlugin,
  defineSelector,
  type DiscoverySink,
  type Plugin,
  type Proxy,
  type ProxyConfig,
  type TargetSpec,
} from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { onTestFinished } from "vitest";

/** What the upstream was sent, and which target it was. */
export interface Seen {
  readonly target: string;
  readonly text: string;
  readonly model: unknown;
}

export interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly target: string | undefined;
  readonly model: unknown;
}

export interface Stage {
  readonly proxy: Proxy;
  readonly seen: Seen[];
  /** Replaces the targets; only for those that were `found`. */
  find(targets: StageOptions["targets"]): Promise<void>;
  /** Asks for a model, or sends a body as it is. */
  ask(
    model: string | { body: string; method?: string; path?: string; headers?: Record<string, string> },
  ): Promise<Answer>;
}

export type Target = Omit<TargetSpec, "url" | "id">;

export interface StageOptions {
  /** By id; each has a path of its own on one server, which names it in the answer. */
  readonly targets: Readonly<Record<string, Target>>;
  readonly plugins: readonly Plugin[];
  /** The config does not tell the targets: something finds them at run time. @default false */
  readonly found?: boolean;
  /** Ids of targets that close the connection instead of answering. */
  readonly broken?: readonly string[];
  readonly config?: Omit<ProxyConfig, "plugins">;
}

/** Picks the first candidate, so that a test sees their order. */
export const first = defineSelector({ name: "first", pick: (targets) => targets[0] });

/** Says of targets that they are down. */
export function down(...ids: string[]): Plugin {
  return coolingDown(undefined, ...ids);
}

/** Says of targets that they are down for so many milliseconds. */
export function coolingDown(forMs: number | undefined, ...ids: string[]): Plugin {
  return definePlugin({
    name: "down",
    setup(proxy) {
      const reporter = proxy.reporter("test");
      proxy.onReady(() => ids.forEach((id) => reporter.down(id, "the test says so", forMs)));
    },
  })();
}

export async function open({ targets, plugins, found = false, broken = [], config }: StageOptions): Promise<Stage> {
  const seen: Seen[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const entry = { target: req.url?.split("/")[1] ?? "", text, model: modelIn(text) };
      seen.push(entry);
      if (broken.includes(entry.target)) req.socket.destroy();
      else res.end(JSON.stringify(entry));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const specs = (some: StageOptions["targets"]): TargetSpec[] =>
    Object.entries(some).map(([id, target]) => ({ id, url: `http://127.0.0.1:${port}/${id}`, ...target }));
  const finder = createFinder(specs(targets));
  const source = found ? finder.plugin : staticTargets({ targets: specs(targets) });
  const proxy = await createProxy({ ...config, plugins: [source, ...plugins] });
  onTestFinished(async () => {
    await proxy.close({ deadline: 0 });
    server.close();
  });
  return {
    proxy,
    seen,
    ask: (asked) => ask(proxy, asked),
    async find(others) {
      finder.replace(specs(others));
      // The pool tells of it at the end of the tick.
      await new Promise(setImmediate);
    },
  };
}

/** A discovery that says nothing beforehand. */
function createFinder(specs: readonly TargetSpec[]): { plugin: Plugin; replace(others: readonly TargetSpec[]): void } {
  let sink: DiscoverySink | undefined;
  const plugin = definePlugin({
    name: "finder",
    setup(proxy) {
      proxy.provide("discovery", "finder", {
        start(given) {
          sink = given;
          sink.replace(specs);
        },
      });
    },
  });
  return { plugin: plugin(), replace: (others) => sink?.replace(others) };
}

/** How often each target was asked, by id. */
export function count(seen: readonly Seen[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { target } of seen) counts[target] = (counts[target] ?? 0) + 1;
  return counts;
}

async function ask(proxy: Proxy, asked: Parameters<Stage["ask"]>[0]): Promise<Answer> {
  const {
    body,
    method = "POST",
    path = "/v1/chat/completions",
    headers = { "content-type": "application/json" },
  } = typeof asked === "string" ? { body: JSON.stringify({ model: asked }) } : asked;
  const init = method === "GET" ? { method, headers } : { method, headers, body };
  const response = await proxy.fetch(new Request(`http://proxy${path}`, init));
  const answer = (await response.json()) as {
    error?: { code: string; message: string };
    target?: string;
    model?: unknown;
  };
  return {
    status: response.status,
    code: answer.error?.code,
    message: answer.error?.message,
    target: answer.target,
    model: answer.model,
  };
}

function modelIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { model?: unknown }).model;
  } catch {
    return undefined; // Not every request has a body.
  }
}
