import { connect } from "node:net";
import { readBytes, type ByteReader, type Ending } from "./byte-reader.ts";
import { framingOf, readAll, readBody, readHead, type Body, type Chunk, type Framing, type Head } from "./http1.ts";
import { writeBytes } from "./write-bytes.ts";

/** A response whose body may still be coming. */
export interface OpenResponse extends Head, Body {
  readonly version: string;
  readonly status: number;
  /** The 1xx heads that came before it. */
  readonly informational: readonly Head[];
  readonly framing: Framing["kind"];
  /** `performance.now()` when the head was whole. */
  readonly headAt: number;
  /** Reads what is left. */
  whole(): Promise<RawResponse>;
}

/** A response to its end, whole or cut. */
export interface RawResponse extends OpenResponse {
  readonly ending: "complete" | Ending;
  readonly body: Buffer;
  /** The body as latin1. */
  readonly text: string;
  readonly chunks: readonly Chunk[];
}

/** One connection of a client that sends exactly the bytes it is told to, and never closes by itself. */
export interface RawClient {
  /** What the proxy sees as the address of this client. */
  readonly localPort: number;
  readonly reader: ByteReader;
  /** Settles when the other side is done sending. */
  readonly ending: Promise<Ending>;
  /** Settles when the bytes were given to the kernel; strings are latin1. Never rejects: see `ending`. */
  readonly send: (bytes: string | Uint8Array) => Promise<void>;
  /** The next response's head. `to` is the method it answers, which decides whether a body may follow. */
  head(to?: string): Promise<OpenResponse>;
  /** The next response. */
  response(to?: string): Promise<RawResponse>;
  /** Stops taking bytes from the kernel. */
  pause(): void;
  resume(): void;
  /** A FIN: no more bytes from here. */
  halfClose(): void;
  reset(): void;
  destroy(): void;
}

export async function rawClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  const reader = readBytes(socket);
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const head = (to = "GET"): Promise<OpenResponse> => readResponse(reader, to);
  return {
    localPort: socket.localPort ?? 0,
    reader,
    ending: reader.ending,
    send: (bytes) => writeBytes(socket, bytes),
    head,
    response: async (to) => (await head(to)).whole(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    halfClose: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    destroy: () => void socket.destroy(),
  };
}

async function readResponse(reader: ByteReader, to: string): Promise<OpenResponse> {
  const informational: Head[] = [];
  for (;;) {
    const head = await readHead(reader);
    const [, version, digits] = /^HTTP\/(1\.[01]) (\d{3}) [\t\x20-\x7e\x80-\xff]*$/.exec(head.startLine) ?? [];
    if (version === undefined) throw new Error(`not a status line: ${JSON.stringify(head.startLine)}`);
    const status = Number(digits);
    if (status >= 200 || status === 101) return openResponse(reader, head, { version, status, informational, to });
    informational.push(head);
  }
}

interface StatusLine {
  readonly version: string;
  readonly status: number;
  readonly informational: readonly Head[];
  readonly to: string;
}

function openResponse(
  reader: ByteReader,
  head: Head,
  { version, status, informational, to }: StatusLine,
): OpenResponse {
  const bodiless = to === "HEAD" || status === 101 || status === 204 || status === 304;
  // Checked for bodiless responses too: a HEAD answer framed twice is as wrong as any.
  const declared = framingOf(head, "close");
  const framing: Framing = bodiless ? { kind: "none" } : declared;
  const body = readBody(reader, framing);
  const open: OpenResponse = {
    ...head,
    version,
    status,
    informational,
    framing: framing.kind,
    headAt: reader.arrivedAt(),
    next: body.next,
    get ending() {
      return body.ending;
    },
    trailers: body.trailers,
    async whole() {
      const chunks = await readAll(body);
      const bytes = Buffer.concat(chunks.map((each) => each.data));
      return {
        ...open,
        ending: body.ending ?? "complete",
        body: bytes,
        text: bytes.toString("latin1"),
        chunks,
      };
    },
  };
  return open;
}
