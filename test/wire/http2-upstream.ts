import { once } from "node:events";
import {
  createSecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TargetSpec } from "plugboard";
import { onTestFinished } from "vitest";
import { createAuthority, pemFiles } from "../certificates.ts";
import { openWire, type Wire, type WireOptions } from "./open-wire.ts";
import { type Counter, counter } from "./waiting.ts";

export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface Http2Upstream {
  /** As a target that speaks HTTP/2. */
  readonly spec: TargetSpec;
  readonly server: Http2Server;
  readonly sessions: readonly ServerHttp2Session[];
  /** The heads of all requests so far. */
  readonly requests: readonly IncomingHttpHeaders[];
  readonly seen: Counter;
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
}

/** An origin by TLS that does with each stream what it is told. */
export async function http2Upstream(onStream: OnStream, options: SecureServerOptions = {}): Promise<Http2Upstream> {
  const authority = createAuthority();
  const { ca } = pemFiles({ ca: authority.cert });
  const sessions: ServerHttp2Session[] = [];
  const requests: IncomingHttpHeaders[] = [];
  const open = new Set<Socket>();
  const seen = counter();
  const server = createSecureServer({ ...authority.issue(), ...options });
  server.on("secureConnection", (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => {}).once("close", () => open.delete(socket));
  });
  server.on("session", (session) => sessions.push(session.on("error", () => {})));
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    requests.push(headers);
    onStream(stream, headers);
    seen.add();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { spec: { url, tls: { ca }, http2: true }, server, sessions, requests, seen, open };
}

/** A proxy in front of one. */
export async function openHttp2(
  onStream: OnStream,
  {
    server = {},
    spec = {},
    ...options
  }: WireOptions & { server?: SecureServerOptions; spec?: Partial<TargetSpec> } = {},
): Promise<{ readonly wire: Wire; readonly upstream: Http2Upstream }> {
  const upstream = await http2Upstream(onStream, server);
  const wire = await openWire([], { ...options, targets: [{ ...upstream.spec, ...spec }] });
  return { wire, upstream };
}

/** All of the request's body as text, then the call. */
export function whenRead(stream: ServerHttp2Stream, then: (body: string) => void): void {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk)).once("end", () => then(Buffer.concat(chunks).toString()));
}
