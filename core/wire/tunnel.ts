import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { ProxyError } from "../errors.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import { routeOf } from "../generation/routes.ts";
import type { Headers } from "./response-headers.ts";

type Done = (error: ProxyError | undefined) => void;

/**
 * Joins the client's socket and an upstream's after a matching 101. Until then nothing that the client sent behind its
 * request has been forwarded: an upstream that refuses would take it for the next request.
 */
export function openTunnel(x: ActiveExchange, upstream: Duplex, headers: Headers, done: Done): void {
  const { socket: client, head } = x.tunnel as NonNullable<ActiveExchange["tunnel"]>;
  x.committed = true;
  x.status = 101;
  x.res.detachSocket(client as Socket);
  client.off("readable", peek);
  client.write(switching(headers));
  if (head.length > 0) upstream.write(head);
  const { idle } = routeOf(x).timeouts;
  let over = false;
  const finish = (error: ProxyError | undefined): void => {
    if (over) return;
    over = true;
    client.destroy();
    upstream.destroy();
    done(error);
  };
  const broken = (): void => finish(new ProxyError("upstream_reset", "The upstream broke the tunnel."));
  const silent = (): void => finish(new ProxyError("stream_idle", "Nothing passed the tunnel for too long."));
  upstream.on("error", broken).on("data", (chunk: Buffer) => void (x.bytesOut += chunk.length));
  client.on("error", () => finish(undefined)).on("data", (chunk: Buffer) => void (x.bytesIn += chunk.length));
  upstream.once("close", () => finish(undefined));
  client.once("close", () => finish(undefined));
  for (const side of [client, upstream] as Socket[]) {
    if (idle > 0) side.setTimeout?.(idle, silent);
  }
  client.pipe(upstream);
  upstream.pipe(client);
}

/** Nobody reads a socket that waits for its tunnel: without this a client that leaves meanwhile would not be noticed. */
export function watchWaiting(socket: Duplex): void {
  socket.on("readable", peek);
}

function peek(this: Duplex): void {
  if (this.readableLength === 0) this.read();
}

function switching(headers: Headers): string {
  const lines = ["HTTP/1.1 101 Switching Protocols", "connection: upgrade"];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name === "connection") continue;
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}
