import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { TargetSpec } from "plugboard";
import { onTestFinished } from "vitest";
import { createAuthority, pemFiles } from "../certificates.ts";

/** Types and flags of RFC 9113 6. */
export const frameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;
export const endStream = 1;
const endHeaders = 4;
const ack = 1;

/** A connection on which nothing is said that a script does not say, but for the acknowledgements. */
export interface FramePeer {
  readonly socket: TLSSocket;
  send(type: number, stream: number, payload?: Buffer, flags?: number): void;
  /** A head with this status and no other field, and its body so far. */
  answer(stream: number, status: 200 | 404, body?: string): void;
  data(stream: number, body: string, flags?: number): void;
  reset(stream: number, code: number): void;
  goaway(last: number, code: number): void;
}

export interface FrameUpstream {
  readonly spec: TargetSpec;
  /** Streams that were reset from the other side, and their codes. */
  readonly resets: readonly (readonly [stream: number, code: number])[];
  readonly connections: readonly FramePeer[];
}

/** An origin that speaks HTTP/2 frame by frame; `onRequest` is told each new stream. */
export async function frameUpstream(
  onRequest: (peer: FramePeer, stream: number) => void,
  onConnect: (peer: FramePeer) => void = (peer) => peer.send(frameType.settings, 0),
): Promise<FrameUpstream> {
  const authority = createAuthority();
  const { ca } = pemFiles({ ca: authority.cert });
  const resets: [number, number][] = [];
  const connections: FramePeer[] = [];
  const server = createServer({ ...authority.issue(), ALPNProtocols: ["h2"] }, (socket) => {
    const peer = toPeer(socket);
    connections.push(peer);
    readFrames(socket, ({ type, flags, stream, payload }) => {
      if (type === frameType.settings && (flags & ack) === 0) peer.send(frameType.settings, 0, Buffer.alloc(0), ack);
      if (type === frameType.ping && (flags & ack) === 0) peer.send(frameType.ping, 0, payload, ack);
      if (type === frameType.reset) resets.push([stream, payload.readUInt32BE(0)]);
      if (type === frameType.headers) onRequest(peer, stream);
    });
    onConnect(peer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const { socket } of connections) socket.destroy();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { spec: { url, tls: { ca }, http2: true }, resets, connections };
}

function toPeer(socket: TLSSocket): FramePeer {
  const peer: FramePeer = {
    socket: socket.on("error", () => {}),
    send(type, stream, payload = Buffer.alloc(0), flags = 0) {
      const head = Buffer.alloc(9);
      head.writeUIntBE(payload.length, 0, 3);
      head[3] = type;
      head[4] = flags;
      head.writeUInt32BE(stream, 5);
      socket.write(Buffer.concat([head, payload]));
    },
    answer(stream, status, body = "") {
      // RFC 7541 A: 8 is ":status: 200", 13 is ":status: 404".
      peer.send(frameType.headers, stream, Buffer.of(status === 200 ? 0x88 : 0x8d), endHeaders);
      if (body !== "") peer.data(stream, body);
    },
    data: (stream, body, flags) => peer.send(frameType.data, stream, Buffer.from(body), flags),
    reset: (stream, code) => peer.send(frameType.reset, stream, words(code)),
    goaway: (last, code) => peer.send(frameType.goaway, 0, words(last, code)),
  };
  return peer;
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => bytes.writeUInt32BE(value, at * 4));
  return bytes;
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;

function readFrames(socket: TLSSocket, onFrame: (frame: Frame) => void): void {
  let read = Buffer.alloc(0);
  let left = preface;
  socket.on("data", (chunk: Buffer) => {
    read = Buffer.concat([read, chunk]);
    const skipped = Math.min(left, read.length);
    left -= skipped;
    read = read.subarray(skipped);
    while (read.length >= 9 && read.length >= 9 + read.readUIntBE(0, 3)) {
      const end = 9 + read.readUIntBE(0, 3);
      const [type = 0, flags = 0] = read.subarray(3, 5);
      const frame = { type, flags, stream: read.readUInt32BE(5) & 0x7fffffff, payload: read.subarray(9, end) };
      read = read.subarray(end);
      onFrame(frame);
    }
  });
}
