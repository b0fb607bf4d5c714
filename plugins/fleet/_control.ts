import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { ConsolaInstance } from "consola";
import { isLoopback, namesLoopback, peerOf } from "../../core/index.ts";
import type { Backend } from "./_backend-options.ts";
import { type BackendStatus, whyDown } from "./_backend-status.ts";
import { toOrigin } from "./_ready-port.ts";
import type { Output } from "./_ring-output.ts";

export interface ControlOptions {
  readonly options: () => Backend;
  readonly status: () => BackendStatus;
  readonly output: Output;
  readonly log: ConsolaInstance;
}

/** A backend's own port for /health, /models and /info, as routers and registries of InfiniLM ask for them. */
export interface BackendControl {
  /** Moves there if it is elsewhere; undefined: nowhere. A port that is taken is tried again. */
  listen(port: number | undefined): void;
  close(): Promise<void>;
}

interface Page {
  readonly status: number;
  readonly body: object;
}

/** Milliseconds between two tries to listen. */
const firstRetry = 500;
const longestRetry = 15_000;
const shownLines = 50;

export function createBackendControl(control: ControlOptions): BackendControl {
  const { log } = control;
  const openedAt = performance.now();
  let server: Server | undefined;
  let at: number | undefined;
  let timer: NodeJS.Timeout | undefined;

  function open(port: number, retry: number): void {
    const { name, controlHost } = control.options();
    const opened = createServer((req, res) =>
      answer(req, res, (path) => toPage(path, control, { port, openedAt, req })),
    );
    // A few requests in a minute from each router: no connection is worth keeping for long.
    opened.maxConnections = 1_000;
    opened.on("error", (error: NodeJS.ErrnoException) => {
      if (server !== opened) return;
      if (retry === firstRetry)
        log.warn(`${name}: its control port ${port} cannot be served, trying again: ${error.code ?? error.message}`);
      timer = setTimeout(() => open(port, Math.min(longestRetry, retry * 2)), retry);
    });
    opened.listen(port, controlHost);
    server = opened;
  }

  function shut(): Promise<void> {
    clearTimeout(timer);
    const closing = server;
    server = at = undefined;
    if (closing?.listening !== true) return Promise.resolve();
    return new Promise((resolve) => {
      closing.close(() => resolve());
      closing.closeAllConnections();
    });
  }

  return {
    listen(port) {
      if (port === at) return;
      void shut();
      at = port;
      if (port !== undefined) open(port, firstRetry);
    },
    close: shut,
  };
}

function answer(req: IncomingMessage, res: ServerResponse, toPageOf: (path: string) => Page): void {
  req.resume();
  const { status, body } =
    req.method === "GET" || req.method === "HEAD"
      ? toPageOf((req.url ?? "/").split("?", 1)[0] ?? "/")
      : { status: 405, body: { error: `${req.method} is not supported here` } };
  const text = JSON.stringify(body);
  res.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...(status === 405 && { allow: "GET, HEAD" }),
  });
  res.end(req.method === "HEAD" ? undefined : text);
}

interface Place {
  readonly port: number;
  readonly openedAt: number;
  readonly req: IncomingMessage;
}

function toPage(path: string, control: ControlOptions, place: Place): Page {
  if (path === "/health") return health(control);
  if (path === "/models" || path === "/v1/models") return models(control.status());
  if (path === "/info") return info(control, place);
  return { status: 404, body: { error: "there is /health, /models and /info here" } };
}

function health({ options, status }: ControlOptions): Page {
  const { state, reason, since, port, pid, restarts } = status();
  const ready = state === "ready";
  return {
    status: ready ? 200 : 503,
    body: {
      status: ready ? "healthy" : "unhealthy",
      service: options().name,
      babysitter: "enhanced",
      infinilm_server_running: pid !== undefined,
      infinilm_server_port: ready ? port : null,
      timestamp: new Date().toISOString(),
      state,
      reason,
      since: new Date(since).toISOString(),
      restarts,
    },
  };
}

function models(status: BackendStatus): Page {
  const down = whyDown(status);
  if (down !== undefined) return { status: 503, body: { error: `the backend is not ready: ${down}` } };
  return { status: 200, body: { object: "list", data: status.models ?? [] } };
}

function info({ options, status, output }: ControlOptions, { port: own, openedAt, req }: Place): Page {
  const { name, host, type } = options();
  const { state, reason, since, port, pid, restarts } = status();
  return {
    status: 200,
    body: {
      name,
      host,
      port: own,
      url: toOrigin(host, own),
      service_type: type,
      infinilm_server_port: state === "ready" ? port : null,
      uptime: Math.floor((performance.now() - openedAt) / 1_000),
      restart_count: restarts,
      state,
      reason,
      since: new Date(since).toISOString(),
      server_port: port,
      pid: pid ?? null,
      ...(isLocal(req) && { output: output.last(shownLines) }),
    },
  };
}

/** What a backend writes may be anything, prompts too: it is for those who could also read its log. */
function isLocal(req: IncomingMessage): boolean {
  return isLoopback(peerOf(req)) && namesLoopback(req);
}
