import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Limits } from "../contract/proxy.ts";
import { ProxyError } from "../errors.ts";
import { onClientError, toResponse } from "./client-error.ts";
import { afterExchanges, connectionClosed, currentExchange, endAfterExchanges, openExchanges } from "./connection.ts";

export interface Acceptor {
  /** As of the running config. */
  limits(): Required<Limits>;
  accept(req: IncomingMessage, res: ServerResponse, extras?: Extras): void;
  /** Whether the upgrade that a request asks for is tunnelled. */
  tunnels(req: IncomingMessage): boolean;
  readonly listener: (req: IncomingMessage, res: ServerResponse) => void;
}

export interface Extras {
  readonly expectContinue?: boolean;
  readonly expectationFailed?: boolean;
  readonly tunnel?: { readonly socket: Duplex; readonly head: Buffer };
}

/** A server that a proxy answers on, and its connections. */
export interface Attached {
  readonly server: Server;
  readonly connections: ReadonlySet<Socket>;
  stopListening(): void;
  /** Ends everything at once, connections still in their TLS handshake included. */
  destroy(): void;
}

interface Tunable {
  shouldUpgradeCallback?: (req: IncomingMessage) => boolean;
  maxHeaderSize?: number;
  connectionsCheckingInterval?: number;
}

/** Sets the limits of a server and answers all that Node would answer, or drop, by itself. */
export function attach(server: Server, acceptor: Acceptor): Attached {
  const { listener } = acceptor;
  const connections = new Set<Socket>();
  tune(server, acceptor.limits());
  // Node starts the checker of slow requests when it begins to listen; a server that listens already starts it anew.
  if (server.listening) {
    const own = server.listeners("listening").find((one) => one.name === "setupConnectionsTracking");
    own?.call(server);
  }
  if (!server.listeners("request").includes(listener)) server.on("request", listener);
  server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) =>
    acceptor.accept(req, res, { expectContinue: true }),
  );
  server.on("checkExpectation", (req: IncomingMessage, res: ServerResponse) =>
    acceptor.accept(req, res, { expectationFailed: true }),
  );
  server.on("connect", (_req: IncomingMessage, socket: Duplex) => {
    socket.on("error", ignore);
    keepTelling(socket);
    endAfterExchanges(socket, toResponse(new ProxyError("method_not_allowed", "Method CONNECT is not allowed here.")));
  });
  // Node from 24.9 on asks, and reads on itself when an offer is not taken; on older ones replay() does it.
  (server as Tunable).shouldUpgradeCallback = (req) => acceptor.tunnels(req);
  server.on("upgrade", (req: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on("error", ignore);
    keepTelling(socket);
    afterExchanges(socket, () => {
      if (socket.destroyed) return;
      if (acceptor.tunnels(req)) acceptor.accept(req, responseOn(req, socket), { tunnel: { socket, head } });
      else replay(server, req, socket, head);
    });
  });
  server.on("clientError", (error, socket) => onClientError(error, socket, acceptor.limits().url));
  server.on(established(server), (socket: Socket) => {
    if (connections.has(socket)) return; // A connection that starts anew after an offer.
    connections.add(socket);
    // A client that half-closes while it waits has left, as with Go, nginx and Node itself.
    socket.on("end", () => {
      if (openExchanges(socket) > 0) socket.destroy();
    });
    socket.once("close", () => {
      connections.delete(socket);
      connectionClosed(socket);
    });
  });
  const raw = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    if (raw.has(socket)) return;
    raw.add(socket);
    socket.once("close", () => raw.delete(socket));
  });
  return {
    server,
    connections,
    // Not Server.close of http: since Node 19 it closes idle keep-alive connections at once, under a client that is
    // just about to use one.
    stopListening: () => void NetServer.prototype.close.call(server),
    destroy() {
      for (const socket of raw) socket.destroy();
      server.close(() => {}); // Only now: it ends the checker of slow requests.
    },
  };
}

/** Node has already closed the socket, or is about to; `close` follows and tells the exchange. */
function ignore(): void {}

/** The event that hands over a connection ready for HTTP. */
function established(server: Server): "connection" | "secureConnection" {
  return "setSecureContext" in server ? "secureConnection" : "connection";
}

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
function replay(server: Server, req: IncomingMessage, socket: Socket, head: Buffer): void {
  const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] as string;
    const value = req.rawHeaders[i + 1] as string;
    const use = name.toLowerCase();
    if (use === "upgrade" || use === "http2-settings") continue;
    lines.push(`${name}: ${use === "connection" ? value.replaceAll(/\b(?:upgrade|http2-settings)\b/gi, "") : value}`);
  }
  socket.off("error", ignore).off("drain", tellDrain).off("timeout", tellTimeout);
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
  server.emit(established(server), socket);
}

/** Sets what Node lets be set; a reload may change it. */
export function tune(server: Server & Tunable, limits: Required<Limits>): void {
  server.headersTimeout = 10_000;
  server.requestTimeout = 300_000;
  server.keepAliveTimeout = 65_000;
  // Node cuts off what is beyond its count without a word; ours is refused with a status.
  server.maxHeadersCount = 0;
  server.maxHeaderSize = limits.headers;
  server.maxConnections = limits.connections > 0 ? limits.connections : Infinity;
  server.connectionsCheckingInterval = 1_000;
}
