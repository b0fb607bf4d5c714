import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createProxy, type Plugin, type Proxy, type ProxyConfig } from "plugboard";
import { onTestFinished } from "vitest";

/** A request as an upstream got it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Upstream {
  readonly url: string;
  readonly seen: Seen[];
}

export interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Stage {
  readonly proxy: Proxy;
  readonly url: string;
  /** POST with a body, else GET. */
  send(path: string, sent?: Sent): Promise<Answer>;
  /** A chat completion. */
  ask(model: string, headers?: Sent["headers"]): Promise<Answer>;
}

/** An HTTP server that does as it is told until the test is over, and remembers what it got. */
export async function openUpstream(
  answer: (res: ServerResponse, seen: Seen) => void = (res) =>
    void res.setHeader("content-type", "application/json").end("{}"),
): Promise<Upstream> {
  const seen: Seen[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const { method = "", url = "", headers } = req;
      const entry = { method, url, headers, text: Buffer.concat(chunks).toString() };
      seen.push(entry);
      answer(res, entry);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

/** A proxy of these plugins on a port, closed when the test is over. */
export async function openStage(plugins: readonly Plugin[], config: Omit<ProxyConfig, "plugins"> = {}): Promise<Stage> {
  const proxy = await createProxy({ ...config, plugins });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const { url } = await proxy.listen({ port: 0 });
  const json = { "content-type": "application/json" };
  return {
    proxy,
    url,
    send: (path, sent) => send(url, path, sent),
    ask: (model, headers) =>
      send(url, "/v1/chat/completions", { body: JSON.stringify({ model }), headers: { ...json, ...headers } }),
  };
}

/** By hand: fetch would add headers of its own. */
async function send(url: string, path: string, { method, headers = {}, body }: Sent = {}): Promise<Answer> {
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  const options = { method: method ?? (body === undefined ? "GET" : "POST"), agent: false };
  const req = request(new URL(url), { ...options, path, headers: { ...length, ...headers } });
  req.end(body);
  const [res] = (await once(req, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return {
    status: res.statusCode ?? 0,
    code: res.headers["x-proxy-error"] as string | undefined,
    headers: res.headers,
    text: Buffer.concat(chunks).toString(),
  };
}
