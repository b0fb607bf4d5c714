import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { answer, type Model } from "./_endpoints.ts";
import { type MockFault, parseFaults } from "./_faults.ts";
import { listModels, type Plain, refuse } from "./_openai.ts";
import { pause, sendEvents, sendJson } from "./_stream.ts";

export interface MockServerOptions {
  /** Which backend answers say they come from. @default "mock" */
  id?: string;
  /** @default 0: any free one */
  port?: number;
  /** Address to listen on. @default "127.0.0.1" */
  host?: string;
  /** Models it serves, 404 for others; empty: whatever it is asked for. @default ["mock-model"] */
  models?: readonly string[];
  /** Milliseconds to the first byte of an answer. @default 0 */
  latency?: number;
  /** Milliseconds between two chunks of a stream. @default 0 */
  chunkInterval?: number;
  /** Tokens of each answer, one to a chunk. @default as many as its sentence has words, at most 256 */
  tokens?: number;
  /** How every answer goes wrong. @default not at all */
  fault?: MockFault;
  /** Whether `/health` says 200 or 503. @default true */
  healthy?: boolean;
}

export const defaultModels: readonly string[] = ["mock-model"];

/** A running mock upstream. */
export interface MockServer {
  readonly id: string;
  /** Such as `http://127.0.0.1:8001` */
  readonly url: string;
  /** POST requests so far; probes and model lists are not counted. */
  readonly requests: number;
  /** POST requests under way. */
  readonly active: number;
  /** May be changed while it runs. */
  fault: MockFault;
  /** May be changed while it runs. */
  healthy: boolean;
  /** Cuts what is under way; a second call does nothing more. */
  close(): Promise<void>;
}

interface Backend extends Model {
  readonly latency: number;
  readonly chunkInterval: number;
  url: string;
  requests: number;
  active: number;
  fault: MockFault;
  healthy: boolean;
}

/**
 * Starts one OpenAI-compatible upstream, by default on a free port of 127.0.0.1.
 *
 * Use it wherever a test or a CI job needs a model: answers are deterministic, name the backend, and go wrong on
 * request: by `fault`, or by the headers `x-mock-status: 503`, `x-mock-cut-after: 3` (chunks; 0: before the head)
 * and `x-mock-delay: 100` (milliseconds). It is the server that the plugin `mockBackend` runs inside of a proxy.
 *
 * @example
 * const backend = await startMockBackend({ models: ["small"], chunkInterval: 20 });
 * const client = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "none" });
 * await backend.close();
 */
export async function startMockBackend(options: MockServerOptions = {}): Promise<MockServer> {
  const backend = toBackend(options);
  const server = createServer((req, res) => {
    // It only fails when the client breaks off in the middle of its request: there is no one left to tell.
    serve(backend, req, res).catch(() => res.destroy());
  });
  // Above what a proxy keeps idle connections for (4 s by default), else it sends into a closing one.
  server.keepAliveTimeout = 65_000;
  const { port = 0, host = "127.0.0.1" } = options;
  server.listen(port, host);
  await once(server, "listening");
  backend.url = `http://${host.includes(":") ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closed ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }));
  return Object.assign(backend, { close });
}

function toBackend(options: MockServerOptions): Backend {
  return {
    id: options.id ?? "mock",
    models: options.models ?? defaultModels,
    latency: options.latency ?? 0,
    chunkInterval: options.chunkInterval ?? 0,
    tokens: options.tokens,
    url: "",
    requests: 0,
    active: 0,
    fault: options.fault ?? {},
    healthy: options.healthy ?? true,
  };
}

async function serve(backend: Backend, req: IncomingMessage, res: ServerResponse): Promise<void> {
  res.setHeader("x-mock-backend", backend.id);
  const path = (req.url ?? "/").split("?", 1)[0] ?? "/";
  if (req.method === "GET" || req.method === "HEAD") return sendState(backend, path, res);
  if (req.method !== "POST") return send(res, refuse(405, `${req.method} is not supported here.`));
  backend.requests++;
  backend.active++;
  try {
    await sendAnswer(backend, path, req, res);
  } finally {
    backend.active--;
  }
}

function sendState(backend: Backend, path: string, res: ServerResponse): Promise<void> {
  if (path === "/health") {
    const status = backend.healthy ? "ok" : "unhealthy";
    return sendJson(res, backend.healthy ? 200 : 503, { status, backend: backend.id });
  }
  if (path === "/v1/models" || path === "/models") return sendJson(res, 200, listModels(backend.id, backend.models));
  return send(res, refuse(404, `There is no GET ${path} here.`));
}

async function sendAnswer(backend: Backend, path: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await buffer(req);
  const asked = parseFaults(req.headers);
  if (typeof asked === "string") return send(res, refuse(400, asked));
  const status = asked.status ?? backend.fault.status;
  const cutAfter = asked.cutAfter ?? backend.fault.cutAfter;
  if (!(await pause(res, asked.delay ?? backend.latency))) return;
  if (cutAfter === 0) {
    res.destroy();
    return;
  }
  if (status !== undefined) return send(res, refuse(status, "This fault was asked for.", null, "mock_fault"), cutAfter);
  const found = answer(path, body, backend) ?? refuse(404, `There is no POST ${path} here.`);
  if ("events" in found) return sendEvents(res, found.events, { interval: backend.chunkInterval, cutAfter });
  return send(res, found, cutAfter);
}

function send(res: ServerResponse, { status, body }: Plain, cutAfter?: number): Promise<void> {
  return sendJson(res, status, body, cutAfter);
}
