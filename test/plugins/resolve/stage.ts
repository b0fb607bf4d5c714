import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  createProxy,
  definePlugin,
  defineSelector,
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
  /** Asks for a model, or sends a body as it is. */
  ask(model: string | { body: string; method?: string; headers?: Record<string, string> }): Promise<Answer>;
}

type Target = Omit<TargetSpec, "url" | "id">;

export interface StageOptions {
  /** By id; each has a path of its own on one server, which names it in the answer. */
  readonly targets: Readonly<Record<string, Target>>;
  readonly plugins: readonly Plugin[];
  /** Ids of targets that close the connection instead of answering. */
  readonly broken?: readonly string[];
  readonly config?: Omit<ProxyConfig, "plugins">;
}

/** Picks the first candidate, so that a test sees their order. */
export const first = defineSelector({ name: "first", pick: (targets) => targets[0] });

/** Says of targets that they are down. */
export function down(...ids: string[]): Plugin {
  return definePlugin({
    name: "down",
    setup(proxy) {
      const reporter = proxy.reporter("test");
      proxy.onReady(() => ids.forEach((id) => reporter.down(id, "the test says so")));
    },
  })();
}

export async function open({ targets, plugins, broken = [], config }: StageOptions): Promise<Stage> {
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
  const specs = Object.entries(targets).map(([id, target]) => ({
    id,
    url: `http://127.0.0.1:${port}/${id}`,
    ...target,
  }));
  const proxy = await createProxy({
    ...config,
    plugins: [staticTargets({ targets: specs }), ...plugins],
  });
  onTestFinished(async () => {
    await proxy.close({ deadline: 0 });
    server.close();
  });
  return { proxy, seen, ask: (asked) => ask(proxy, asked) };
}

async function ask(proxy: Proxy, asked: Parameters<Stage["ask"]>[0]): Promise<Answer> {
  const {
    body,
    method = "POST",
    headers = { "content-type": "application/json" },
  } = typeof asked === "string" ? { body: JSON.stringify({ model: asked }) } : asked;
  const init = method === "GET" ? { method, headers } : { method, headers, body };
  const response = await proxy.fetch(new Request("http://proxy/v1/chat/completions", init));
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
