import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { createConsola } from "consola";
import { inspect } from "node:util";
import type { Proxy } from "../contract/proxy.ts";
import { definePlugin, type Plugin } from "../plugin.ts";
import { createProxy } from "../proxy.ts";
import { within } from "./within.ts";

/** A request that a guard is tried with. */
export interface GuardRequest {
  readonly method?: string;
  /** @default "/v1/chat/completions" */
  readonly path?: string;
  /** `x-forwarded-for` counts as the client's address here. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GuardAsked extends GuardRequest {
  readonly body?: string;
  /** Promises a body of so many bytes, and never sends it. */
  readonly withheld?: number;
}

export interface GuardSeen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** The upstream was asked to go on, before the answer. */
  readonly continued: boolean;
}

/** A proxy with the guard in it, a control route `GET /suite-control`, and an upstream that tells what it gets. */
export interface GuardRig {
  readonly proxy: Proxy;
  ask(asked: GuardAsked): Promise<GuardSeen>;
  reload(): Promise<void>;
  /** Requests that reached the upstream: head and body. */
  readonly upstream: readonly string[];
  /** Times that the control route was run. */
  controls(): number;
  /** All that was logged. */
  log(): string;
}

export async function withGuard(create: () => readonly Plugin[], law: (rig: GuardRig) => Promise<void>): Promise<void> {
  const upstream = await tellingUpstream();
  const lines: string[] = [];
  const log = createConsola({
    level: 5,
    reporters: [{ log: ({ args }) => void lines.push(args.map((part) => toText(part)).join(" ")) }],
  });
  let controls = 0;
  const control = definePlugin({
    name: "suite-control",
    setup(proxy) {
      proxy.route("GET", "/suite-control", () => String(++controls));
      proxy.provide("discovery", "suite", { start: (sink) => sink.replace([{ url: upstream.url }]) });
    },
  });
  const config = { plugins: [...create(), control()], trustedProxies: ["127.0.0.1"] };
  let proxy: Proxy | undefined;
  try {
    const running = (proxy = await createProxy(config, { log }));
    const { port } = await running.listen();
    await law({
      proxy: running,
      ask: (asked) => within(ask(port, asked), `an answer to ${asked.method ?? "GET"} ${asked.path ?? ""}`),
      reload: async () => void (await running.reload(config)),
      upstream: upstream.seen,
      controls: () => controls,
      log: () => lines.join("\n"),
    });
  } finally {
    await proxy?.close({ deadline: 0 });
    upstream.close();
  }
}

function toText(part: unknown): string {
  return typeof part === "string" ? part : inspect(part);
}

async function tellingUpstream(): Promise<{ readonly url: string; readonly seen: string[]; close(): void }> {
  const seen: string[] = [];
  const server = createServer((incoming, response) => {
    const index = seen.push(headOf(incoming)) - 1;
    const pieces: Buffer[] = [];
    incoming.on("data", (piece: Buffer) => pieces.push(piece));
    incoming.on("end", () => {
      const body = Buffer.concat(pieces).toString("latin1");
      seen[index] += body;
      response.writeHead(200, { "content-type": "text/plain", "x-suite-upstream": "1" }).end(`got ${body}`);
    });
  });
  server.on("upgrade", (incoming: IncomingMessage, socket) => {
    seen.push(headOf(incoming));
    socket.on("error", () => undefined);
    socket.end("HTTP/1.1 403 Forbidden\r\nx-suite-upstream: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    seen,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function headOf({ method, url, rawHeaders }: IncomingMessage): string {
  return [`${method} ${url}`, ...rawHeaders].join("\n");
}

function ask(port: number, asked: GuardAsked): Promise<GuardSeen> {
  const { method = "GET", path = "/v1/chat/completions", headers = {}, body, withheld } = asked;
  return new Promise((resolve, reject) => {
    const own = withheld === undefined ? headers : { ...headers, "content-length": String(withheld) };
    const sent = request({ port, host: "127.0.0.1", method, path, headers: own, agent: false });
    let continued = false;
    sent.on("continue", () => (continued = true));
    sent.on("error", reject);
    sent.on("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(pieces).toString();
        resolve({ status: response.statusCode ?? 0, headers: { ...response.headers }, body: text, continued });
        sent
          .off("error", reject)
          .on("error", () => undefined)
          .destroy();
      });
    });
    if (withheld === undefined) sent.end(body);
    else sent.flushHeaders();
  });
}
