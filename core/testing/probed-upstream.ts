import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { until } from "./within.ts";

/**
 * How an upstream answers a probe: `ok` 200, `fail` 503, `missing` 404, `redirect` 301 to a page that is well, `hang`
 * nothing at all, `stuck` a head without the body it declares, `drip` a byte of body now and then, `endless` a body as
 * fast as it is taken, `garbage` bytes that are no HTTP, `reset` a closed connection.
 */
export type Answer =
  | "ok"
  | "fail"
  | "missing"
  | "redirect"
  | "hang"
  | "stuck"
  | "drip"
  | "endless"
  | "garbage"
  | "reset";

type Reply = (response: ServerResponse, request: IncomingMessage, seen: Counts) => unknown;

/** An upstream that counts its probes and answers them as told. */
export interface ProbedUpstream {
  readonly url: string;
  /** Probes so far. */
  readonly probes: number;
  /** Requests for paths below that of the probes. */
  readonly strays: number;
  /** Bytes of endless bodies that were taken. */
  readonly taken: number;
  /** Answers the probes to come one by one; the last answer stays. */
  play(script: readonly Answer[]): void;
  /** Called as each probe arrives, before it is answered. */
  onProbe(listener: () => void): void;
  /** Settles when so many probes have come. */
  probed(count: number): Promise<void>;
  /** Settles when no connection is open. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

/** What an upstream has seen. */
interface Counts {
  probes: number;
  strays: number;
  taken: number;
  open: number;
}

/** Opens an upstream on 127.0.0.1 that is probed at `path`. */
export async function probedUpstream(path: string): Promise<ProbedUpstream> {
  const seen: Counts = { probes: 0, strays: 0, taken: 0, open: 0 };
  const listeners: (() => void)[] = [];
  let script: readonly Answer[] = [];

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const [now = "ok", ...rest] = script;
    if (request.url === path) {
      seen.probes += 1;
      for (const listener of listeners) listener();
      if (rest.length > 0) script = rest;
      answers[now](response, request, seen);
    } else {
      if (request.url?.startsWith(`${path}/`) === true) seen.strays += 1;
      response.end();
    }
  }

  const server = createServer(answer);
  server.on("connection", (socket) => {
    seen.open += 1;
    socket.once("close", () => (seen.open -= 1));
  });
  const url = await listen(server);

  return {
    url,
    get probes() {
      return seen.probes;
    },
    get strays() {
      return seen.strays;
    },
    get taken() {
      return seen.taken;
    },
    play: (next) => void (script = next),
    onProbe: (listener) => void listeners.push(listener),
    probed: (count) => until(() => seen.probes >= count, `${count} probes`),
    quiet: () => until(() => seen.open === 0, "the end of the connections of the probes"),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const answers: Readonly<Record<Answer, Reply>> = {
  ok: (response) => response.end("fine"),
  fail: (response) => response.writeHead(503).end("not now"),
  missing: (response) => response.writeHead(404).end(),
  redirect: (response, { url = "" }) => response.writeHead(301, { location: `${url}/elsewhere` }).end(),
  hang: () => undefined,
  stuck: (response) => response.writeHead(200, { "content-length": 9 }).flushHeaders(),
  drip: (response) => drip(response),
  endless: (response, _request, seen) => endless(response, seen),
  garbage: (_response, request) => request.socket.end("220 mail.example ESMTP\r\n"),
  reset: (_response, request) => request.socket.resetAndDestroy(),
};

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write("."), 5);
  response.once("close", () => clearInterval(timer));
}

function endless(response: ServerResponse, seen: Counts): void {
  const piece = Buffer.alloc(65_536);
  response.write(piece, (error) => {
    if (error) return;
    seen.taken += piece.length;
    endless(response, seen);
  });
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}
