import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Limits } from "../contract/proxy.ts";
import { onClientError } from "./client-error.ts";
import { connectionClosed, established, openExchanges } from "./connection.ts";
import type { ConnectionLimit } from "./connection-limit.ts";
import { takeUpgrades } from "./upgrades.ts";

/** Where a request came in. */
export interface Entry {
  /** Of its listener; `main` is that of the config's own port. */
  readonly name: string;
  /** It is about to close: each response is the last one of its connection. */
  draining: boolean;
}

export interface Acceptor {
  /** As of the running config. */
  limits(): Required<Limits>;
  accept(entry: Entry, req: IncomingMessage, res: ServerResponse, extras?: Extras): void;
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
export interface Attached extends Entry {
  readonly server: Server;
  readonly connections: ReadonlySet<Socket>;
  stopListening(): void;
  /** Ends everything at once, connections still in their TLS handshake included. */
  destroy(): void;
}

interface Tunable {
  maxHeaderSize?: number;
  connectionsCheckingInterval?: number;
}

/** Sets the limits of a server and answers all that Node would answer, or drop, by itself. */
export function attach(server: Server, acceptor: Acceptor, limit: ConnectionLimit, name = "main"): Attached {
  const connections = new Set<Socket>();
  const raw = new Set<Socket>();
  const attached: Attached = {
    name,
    draining: false,
    server,
    connections,
    // Not Server.close of http: since Node 19 it closes idle keep-alive connections at once, under a client that is
    // just about to use one.
    stopListening: () => void NetServer.prototype.close.call(server),
    destroy() {
      for (const socket of raw) socket.destroy();
      limit.forget(server);
      server.close(() => {}); // Only now: it ends the checker of slow requests.
    },
  };
  tune(server, acceptor.limits());
  // Node starts the checker of slow requests when it begins to listen; a server that listens already starts it anew.
  if (server.listening) {
    const own = server.listeners("listening").find((one) => one.name === "setupConnectionsTracking");
    own?.call(server);
  }
  if (!server.listeners("request").includes(acceptor.listener)) {
    server.on("request", (req: IncomingMessage, res: ServerResponse) => acceptor.accept(attached, req, res));
  }
  server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) =>
    acceptor.accept(attached, req, res, { expectContinue: true }),
  );
  server.on("checkExpectation", (req: IncomingMessage, res: ServerResponse) =>
    acceptor.accept(attached, req, res, { expectationFailed: true }),
  );
  takeUpgrades(server, acceptor, attached);
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
  trackAll(server, raw, limit);
  return attached;
}

/** Also those in their TLS handshake. */
function trackAll(server: Server, raw: Set<Socket>, limit: ConnectionLimit): void {
  limit.follow(server);
  server.on("connection", (socket: Socket) => {
    if (raw.has(socket)) return;
    raw.add(socket);
    limit.opened(server);
    socket.once("close", () => {
      raw.delete(socket);
      limit.closed(server);
    });
  });
}

/** Sets what Node lets be set; a reload may change it. */
export function tune(server: Server & Tunable, limits: Required<Limits>): void {
  server.headersTimeout = 10_000;
  server.requestTimeout = 300_000;
  server.keepAliveTimeout = 65_000;
  // Node cuts off what is beyond its count without a word; ours is refused with a status.
  server.maxHeadersCount = 0;
  server.maxHeaderSize = limits.headers;
  server.connectionsCheckingInterval = 1_000;
}
