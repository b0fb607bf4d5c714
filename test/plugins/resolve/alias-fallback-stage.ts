import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createProxy, definePlugin, type Plugin, type Proxy, type ProxyConfig, type TargetSpec } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { routingHeaders } from "plugboard/plugins/stats/routing-headers";
import { onTestFinished } from "vitest";
import { first } from "./stage.ts";

export interface FallbackStage {
  readonly proxy: Proxy;
  /** By target id: what it answers with; the default is 200. */
  readonly faults: Map<string, number | "reset">;
  /** What the upstreams were sent, as in `a qwen3-8b`, in the order they got it. */
  readonly seen: readonly string[];
  readonly bodies: readonly Record<string, unknown>[];
  ask(model: string, init?: { readonly path?: string }): Promise<FallbackAnswer>;
  down(...ids: string[]): Promise<void>;
}

export interface FallbackAnswer {
  readonly status: number;
  readonly code: string | null;
  readonly target: string | null;
  readonly route: string | null;
  readonly alias: string | null;
}

export interface FallbackStageOptions {
  readonly aliases: AliasOptions;
  readonly targets: Readonly<Record<string, Partial<TargetSpec>>>;
  /** By pool; their targets have ids of their own. */
  readonly pools?: Readonly<Record<string, Readonly<Record<string, Partial<TargetSpec>>>>>;
  readonly before?: readonly Plugin[];
  readonly after?: readonly Plugin[];
  readonly config?: Omit<ProxyConfig, "plugins">;
}

/** A proxy with aliases, and upstreams that fail as they are told. */
export async function openFallback(options: FallbackStageOptions): Promise<FallbackStage> {
  const { aliases, targets, pools = {}, before = [], after = [], config } = options;
  const faults = new Map<string, number | "reset">();
  const seen: string[] = [];
  const bodies: Record<string, unknown>[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const id = req.url?.split("/")[1] ?? "";
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      bodies.push(body);
      seen.push(`${id} ${String(body["model"])}`);
      const fault = faults.get(id);
      if (fault === "reset") req.socket.resetAndDestroy();
      else res.writeHead(fault ?? 200, { "content-type": "application/json" }).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const toSpecs = (some: FallbackStageOptions["targets"]): TargetSpec[] =>
    Object.entries(some).map(([id, spec]) => ({ id, url: `http://127.0.0.1:${port}/${id}`, ...spec }));
  let sayDown: (id: string) => void = () => undefined;
  const health = definePlugin({
    name: "test-health",
    setup(proxy) {
      const reporter = proxy.reporter("test");
      sayDown = (id) => reporter.down(id, "the test says so");
    },
  });
  const sources = Object.entries(pools).map(([pool, some]) => staticTargets({ pool, targets: toSpecs(some) }));
  const proxy = await createProxy({
    ...config,
    plugins: [
      staticTargets({ targets: toSpecs(targets) }),
      ...sources,
      health(),
      first(),
      ...before,
      alias(aliases),
      ...after,
      routingHeaders(),
    ],
  });
  onTestFinished(async () => {
    await proxy.close({ deadline: 0 });
    server.close();
  });
  return {
    proxy,
    faults,
    seen,
    bodies,
    async ask(model, { path = "/v1/chat/completions" } = {}) {
      const headers = { "content-type": "application/json" };
      const init = { method: "POST", headers, body: JSON.stringify({ model }) };
      const response = await proxy.fetch(new Request(`http://proxy${path}`, init));
      await response.arrayBuffer();
      const get = (name: string): string | null => response.headers.get(name);
      return {
        status: response.status,
        code: get("x-proxy-error"),
        target: get("x-plugboard-target"),
        route: get("x-plugboard-route"),
        alias: get("x-plugboard-alias"),
      };
    },
    async down(...ids) {
      ids.forEach((id) => sayDown(id));
      // The pools tell of it at the end of the tick.
      await new Promise(setImmediate);
    },
  };
}
