import type { Exchange, Reply, UpstreamHead } from "../contract/exchange.ts";
import type { ActiveExchange } from "./exchange.ts";
import { realExchange } from "./extra-exchange.ts";
import { endVisibly, keepsAlive } from "./last-bytes.ts";

/** A head that the client has, though no upstream has answered yet. */
export interface EarlyHead {
  readonly status: number;
  readonly type: string;
}

/** Sends the head, unless it was sent, and bytes that mean nothing. False: the answer has begun by itself, or is over. */
export function answerEarly(given: Exchange, head: UpstreamHead, bytes: Uint8Array): boolean {
  const x = realExchange(given);
  const { res } = x;
  if (x.over || x.error !== undefined || x.notes !== undefined || x.tunnel !== undefined) return false;
  if (x.early === undefined) {
    if (!keepsAlive(x)) res.shouldKeepAlive = false;
    res.writeHead(head.status, head.headers);
    x.early = { status: head.status, type: mediaType(head) };
  }
  // A client that reads nothing does not need to hear that it should wait.
  if (res.writableNeedDrain) return true;
  res.write(bytes);
  x.bytesOut += bytes.length;
  return true;
}

/** Whether the answer can follow a head that was sent before it. */
export function fitsEarly(x: ActiveExchange, head: UpstreamHead): boolean {
  return x.early === undefined || (x.early.status === head.status && x.early.type === mediaType(head));
}

/** An error after an early head: as one event in the stream, and an end that nobody can take for a good one. */
export function tellInStream(x: ActiveExchange, reply: Reply): void {
  x.committed = true;
  x.status = x.res.statusCode;
  const frame = Buffer.from(toEvent(reply.body ?? ""));
  x.bytesOut += frame.length;
  x.res.write(frame);
  endVisibly(x);
}

function toEvent(body: string | Uint8Array): string {
  const text = typeof body === "string" ? body : Buffer.from(body).toString();
  return `${text
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join("")}\n`;
}

function mediaType({ headers }: UpstreamHead): string {
  return String(headers["content-type"] ?? "")
    .split(";", 1)
    .join()
    .trim()
    .toLowerCase();
}
