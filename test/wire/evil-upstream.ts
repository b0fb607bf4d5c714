import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { ConnectionEnded, readBytes, type ByteReader, type Ending } from "./byte-reader.ts";
import { framingOf, readAll, readBody, readHead, type Body, type Framing, type Head } from "./http1.ts";
import { writeBytes } from "./write-bytes.ts";

/** A request whose body may still be coming. */
export interface OpenRequest extends Head, Body {
  readonly method: string;
  readonly path: string;
  readonly framing: Framing["kind"];
  whole(): Promise<RawRequest>;
}

export interface RawRequest extends OpenRequest {
  readonly ending: "complete" | Ending;
  readonly body: Buffer;
  /** The body as latin1. */
  readonly text: string;
}

/** One connection, seen from the upstream. Nothing happens on it that a script did not ask for. */
export interface Peer {
  readonly reader: ByteReader;
  /** Settles when the proxy is done sending, and with what. */
  readonly ending: Promise<Ending>;
  /** The next request's head; throws ConnectionEnded when there is none to come. */
  head(): Promise<OpenRequest>;
  /** The next request, whole. */
  request(): Promise<RawRequest>;
  /** Settles when the kernel has the bytes; strings are latin1. */
  readonly write: (bytes: string | Uint8Array) => Promise<void>;
  /** FIN, after what was written has had the time to arrive; the other direction stays open. */
  halfClose(): Promise<void>;
  /** FIN both ways. */
  close(): Promise<void>;
  /** RST, after what was written has had the time to arrive. */
  reset(): Promise<void>;
  stopReading(): void;
  startReading(): void;
}

export type Script = (peer: Peer) => Promise<void> | void;

export interface EvilUpstream {
  readonly port: number;
  readonly url: string;
  readonly peers: readonly Peer[];
  /** The heads of all requests so far, in the order they came. */
  readonly requests: readonly OpenRequest[];
  /** All bytes received on all connections. */
  readonly received: Buffer;
  /** The next connection that was not accepted this way yet. */
  accept(): Promise<Peer>;
  /** Ends every connection; throws what a script threw. */
  close(): Promise<void>;
}

/** Opens an origin that does what the script says on each connection; without one the test drives `accept()`. */
export async function evilUpstream(script?: Script): Promise<EvilUpstream> {
  const sockets = new Set<Socket>();
  const peers: Peer[] = [];
  const requests: OpenRequest[] = [];
  const waiting: ((peer: Peer) => void)[] = [];
  const failures: unknown[] = [];
  let accepted = 0;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    const peer = connectionOf(socket, requests);
    peers.push(peer);
    if (script !== undefined) void runScript(script, peer, failures);
    const next = waiting.shift();
    if (next === undefined) return;
    accepted++;
    next(peer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);

  return {
    port,
    url: `http://127.0.0.1:${port}`,
    peers,
    requests,
    get received() {
      return Buffer.concat(peers.map((peer) => peer.reader.received));
    },
    accept() {
      const peer = peers[accepted];
      if (peer === undefined) return new Promise((resolve) => waiting.push(resolve));
      accepted++;
      return Promise.resolve(peer);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** A script that answers every request with the same bytes, or with what the function makes of it. */
export function answering(reply: string | ((request: RawRequest, peer: Peer) => string | Promise<string>)): Script {
  return async (peer) => {
    for (;;) {
      const request = await peer.request();
      await peer.write(typeof reply === "string" ? reply : await reply(request, peer));
    }
  };
}

export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening on a port");
  return address.port;
}

async function runScript(script: Script, peer: Peer, failures: unknown[]): Promise<void> {
  try {
    await script(peer);
  } catch (error) {
    // The proxy closing a connection is what many tests are about; only the test can say if it was right to.
    if (!(error instanceof ConnectionEnded)) failures.push(error);
  }
}

function connectionOf(socket: Socket, requests: OpenRequest[]): Peer {
  const reader = readBytes(socket);
  const head = async (): Promise<OpenRequest> => {
    const request = await readRequest(reader);
    requests.push(request);
    return request;
  };
  return {
    reader,
    ending: reader.ending,
    head,
    request: async () => (await head()).whole(),
    write: (bytes) => writeBytes(socket, bytes),
    async halfClose() {
      await arrived();
      socket.end();
    },
    async close() {
      await arrived();
      socket.destroy();
    },
    async reset() {
      await arrived();
      socket.resetAndDestroy();
    },
    stopReading: () => void socket.pause(),
    startReading: () => void socket.resume(),
  };
}

/** An RST in the same tick as a write takes back bytes that the kernel has not yet delivered. */
function arrived(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

async function readRequest(reader: ByteReader): Promise<OpenRequest> {
  const head = await readHead(reader);
  const [, method, path] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/1\.1$/.exec(head.startLine) ?? [];
  if (method === undefined || path === undefined)
    throw new Error(`not a request line: ${JSON.stringify(head.startLine)}`);
  const framing = framingOf(head, "none");
  const body = readBody(reader, framing);
  const open: OpenRequest = {
    ...head,
    method,
    path,
    framing: framing.kind,
    next: body.next,
    get ending() {
      return body.ending;
    },
    trailers: body.trailers,
    async whole() {
      const bytes = Buffer.concat((await readAll(body)).map((each) => each.data));
      return {
        ...open,
        ending: body.ending ?? "complete",
        body: bytes,
        text: bytes.toString("latin1"),
      };
    },
  };
  return open;
}
