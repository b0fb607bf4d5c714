import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ProxyError } from "../errors.ts";
import { toResponse } from "./client-error.ts";
import { afterExchanges, currentExchange, endAfterExchanges, established, openExchanges } from "./connection.ts";
import type { Acceptor, Entry } from "./server.ts";
import { stopWaiting, watchWaiting } from "./tunnel.ts";

interface Upgrading {
  shouldUpgradeCallback?: (req: IncomingMessage) => boolean;
}

/** Answers requests that want the connection for something else: tunnels, offers that are not taken, CONNECT. */
export function takeUpgrades(server: Server, acceptor: Acceptor, entry: Entry): void {
  server.on("connect", (_req: IncomingMessage, socket: Duplex) => {
    socket.on("error", ignore);
    keepTelling(socket);
    socket.resume(); // What follows CONNECT is no request; but only who reads sees that the client leaves.
    endAfterExchanges(socket, toResponse(new ProxyError("method_not_allowed", "Method CONNECT is not allowed here.")));
  });
  // Node from 24.9 on asks, and reads on itself when an offer is not taken; on older ones replay() does it.
  (server as Upgrading).shouldUpgradeCallback = (req) => acceptor.tunnels(req);
  server.on("upgrade", (req: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on("error", ignore);
    keepTelling(socket);
    if (openExchanges(socket) > 0) watchWaiting(socket);
    afterExchanges(socket, () => {
      if (socket.destroyed) return;
      if (acceptor.tunnels(req)) acceptor.accept(entry, req, responseOn(req, socket), { tunnel: { socket, head } });
      else replay(server, req, socket, [head, ...stopWaiting(socket)]);
    });
  });
}

/** Node has already closed the socket, or is about to; `close` follows and tells the exchange. */
function ignore(): void {}

/** With its parser Node takes its listeners off the socket, also those that a response under way waits for. */
function keepTelling(socket: Duplex): void {
  socket.on("drain", tellDrain).on("timeout", tellTimeout);
}

function tellDrain(this: Duplex): void {
  currentExchange(this)?.res.emit("drain");
}

function tellTimeout(this: Duplex): void {
  currentExchange(this)?.res.emit("timeout");
}

/** A response for a request that Node has let go of because it asked for an upgrade. */
function responseOn(req: IncomingMessage, socket: Socket): ServerResponse {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false; // The parser is gone: nothing can follow on this connection.
  res.assignSocket(socket);
  res.once("finish", () => socket.destroySoon());
  return res;
}

/**
 * A server may ignore an upgrade that it is offered (RFC 9110 7.8), as Java's clients offer h2c with any request, but Node
 * has no way back: so the request is put back without the offer, and the connection starts anew.
 */
function replay(server: Server, req: IncomingMessage, socket: Socket, rest: readonly Buffer[]): void {
  const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] as string;
    const value = req.rawHeaders[i + 1] as string;
    const use = name.toLowerCase();
    if (use === "upgrade" || use === "http2-settings") continue;
    lines.push(`${name}: ${use === "connection" ? value.replaceAll(/\b(?:upgrade|http2-settings)\b/gi, "") : value}`);
  }
  socket.off("error", ignore).off("drain", tellDrain).off("timeout", tellTimeout);
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), ...rest]));
  server.emit(established(server), socket);
}
