import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { Behaviour } from "./behaviour.ts";
import { clientHeader } from "./clients.ts";
import type { EngineRoom } from "./engine-room.ts";
import { membersOf, toJson } from "./members.ts";
import type { Protocol, Received, Role } from "./received.ts";
import { reset } from "./reset.ts";

export interface WorkerOptions {
  /** @default its role and a number */
  readonly name?: string;
  /** @default "nixl" */
  readonly protocol?: Protocol;
  /** Of an SGLang prefill worker. @default 8998 */
  readonly bootstrapPort?: number | null;
  /** How it takes what `next` says nothing of. @default it answers at once */
  readonly behaviour?: Behaviour | ((received: Received) => Behaviour);
}

/** A server that plays a worker, and writes down what it was asked. */
export interface Worker {
  readonly name: string;
  readonly url: string;
  /** As a target of `staticTargets`. */
  readonly target: { readonly id: string; readonly url: string; readonly meta: Readonly<Record<string, unknown>> };
  /** The transcript, without `/health` and `/v1/models`. */
  readonly received: readonly Received[];
  /** Requests under way, and the most that ever were. */
  readonly load: { readonly now: number; readonly most: number };
  /** For the next request that has none yet. */
  next(behaviour: Behaviour): void;
  /** Drops all connections and refuses new ones; what it held is gone. */
  kill(): Promise<void>;
  /** Listens again, on the same port. */
  revive(): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One request, and how it is to be answered. */
export interface Task {
  readonly received: Received;
  readonly behaviour: Behaviour;
  readonly response: ServerResponse;
  /** Aborts when the connection is gone before the answer was out. */
  readonly gone: AbortSignal;
}

export interface WorkerPart {
  readonly role: Role;
  /** Complains of what is wrong with a request, whatever becomes of it. */
  check(received: Received): void;
  answer(task: Task): Promise<void>;
  killed(name: string): void;
}

/** Closed when the test is over. */
export async function openWorker(room: EngineRoom, part: WorkerPart, options: WorkerOptions): Promise<Worker> {
  const { protocol = "nixl", bootstrapPort = 8998, behaviour = {} } = options;
  const name = options.name ?? `${part.role}-${++count}`;
  const received: Received[] = [];
  const queue: Behaviour[] = [];
  const load = { now: 0, most: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    // An abort is told to the task, by its signal.
    serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === "GET" && isHousekeeping(request.url)) return housekeep(request.url, response);
    load.most = Math.max(load.most, ++load.now);
    const entry: { current?: Received } = {};
    const gone = new AbortController();
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      load.now--;
      const how = response.writableFinished ? "answered" : "left";
      if (entry.current !== undefined) {
        entry.current.end = how;
        room.note(how, entry.current);
      }
      if (how === "left") gone.abort();
    };
    response.once("close", end);
    const body = await buffer(request).catch(() => undefined);
    // Of a request that was still being parsed when its connection was dropped, Node tells no end.
    if (body === undefined) return end();
    const got = (entry.current = toReceived(name, part.role, request, body));
    received.push(got);
    room.note("arrived", got);
    part.check(got);
    const how = queue.shift() ?? (typeof behaviour === "function" ? behaviour(got) : behaviour);
    await act({ received: got, behaviour: how, response, gone: gone.signal }, part);
  }

  await listen(server, 0);
  const port = portOf(server);
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) reset(socket);
    await closed;
  };
  onTestFinished(stop);
  const meta = {
    role: part.role,
    protocol,
    ...(protocol === "sglang" && part.role === "prefill" && { bootstrapPort }),
  };
  return {
    name,
    url,
    target: { id: name, url, meta },
    received,
    load,
    next: (each) => void queue.push(each),
    kill: () => {
      part.killed(name);
      return stop();
    },
    revive: () => listen(server, port),
    close: stop,
    [Symbol.asyncDispose]: stop,
  };
}

let count = 0;

async function act(task: Task, part: WorkerPart): Promise<void> {
  const { behaviour, response, gone } = task;
  await behaviour.until;
  if (behaviour.latency !== undefined) await pause(behaviour.latency);
  if (gone.aborted || behaviour.fault === "hang") return;
  if (behaviour.fault === "reset") reset(response.socket);
  else if (behaviour.status !== undefined) refuse(response, behaviour.status);
  else await part.answer(task);
}

/** Latency of a worker, not something that a test waits for. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** An error of the engine. */
export function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(
    JSON.stringify({ object: "error", message: "as scripted", type: "Scripted", param: null, code: status }),
  );
}

function isHousekeeping(url: string | undefined): boolean {
  return url === "/health" || url === "/v1/models" || url === "/metrics";
}

function housekeep(url: string | undefined, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(url === "/v1/models" ? `{"object":"list","data":[{"id":"m","object":"model"}]}` : "{}");
}

function toReceived(worker: string, role: Role, request: IncomingMessage, body: Buffer): Received {
  const { method = "", url: path = "", headers } = request;
  const text = body.toString();
  const members = membersOf(text);
  const json = toJson(members, text);
  const [requestId, client] = [headers["x-request-id"], headers[clientHeader]].map((value) => value?.toString());
  return { worker, role, method, path, headers, body, text, members, json, requestId, client, end: "open" };
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return address.port;
}
