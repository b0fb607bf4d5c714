import type { IncomingMessage, ServerResponse } from "node:http";
import { ProxyError } from "../errors.ts";
import type { Generation } from "../generation/generation.ts";
import { exchangeBegins, exchangeEnds, inTurn } from "../wire/connection.ts";
import { watchWaiting } from "../wire/tunnel.ts";
import { readHead } from "../wire/request-head.ts";
import type { SiteTable } from "../generation/site-table.ts";
import type { Entry, Extras } from "../wire/server.ts";
import { checkUpgrade } from "../wire/upgrade-request.ts";
import { ActiveExchange, exchangeOf } from "./exchange.ts";
import { giveUpExtras } from "./extra-attempts.ts";
import { fail, sendReply } from "./respond.ts";

/** The beginning of every exchange: its head is read and checked before anything matches on it. */
export function acceptExchange(
  generation: Generation,
  entry: Entry,
  req: IncomingMessage,
  res: ServerResponse,
  extras?: Extras,
): void {
  const table = entry.name === "main" ? generation.main : generation.sites(entry.name);
  const x = new ActiveExchange(generation, (table ?? generation.main).base, req, res);
  const { proxy } = generation;
  proxy.active.add(x);
  generation.enter();
  res.on("close", onClose);
  if (proxy.draining || entry.draining) res.shouldKeepAlive = false;
  if (extras !== undefined) {
    x.expectContinue = extras.expectContinue === true;
    x.tunnel = extras.tunnel;
    if (x.tunnel !== undefined) watchWaiting(x.tunnel.socket);
  }
  if (exchangeBegins(x) && !x.connection.over) return start(x, table, extras);
  inTurn(req.socket, () => {
    if (!x.ended) start(x, table, extras);
  });
}

function start(x: ActiveExchange, table: SiteTable | undefined, extras: Extras | undefined): void {
  const { generation, req, res } = x;
  if (generation.proxy.closed) return fail(x, new ProxyError("draining", "The proxy is shut down."));
  const fault = readHead(x, generation.proxy.limits) ?? checkUpgrade(x);
  if (fault !== undefined) {
    res.shouldKeepAlive = false;
    return fail(x, fault);
  }
  // Node from 24.9 on reads past an upgrade that is not taken, but may lose what was pipelined behind it.
  if (x.upgradeTo !== undefined && x.tunnel === undefined) res.shouldKeepAlive = false;
  if (extras?.expectationFailed === true) {
    return fail(x, new ProxyError("expectation_failed", 'Only "Expect: 100-continue" can be met.'));
  }
  if (x.path === "*") {
    return sendReply(x, { status: 204, headers: { allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" } });
  }
  // A reload took its listener away, and its client still asks.
  if (table === undefined) return fail(x, new ProxyError("draining", "This port is being closed."));
  if (table.find !== undefined) x.site = table.find(x.host, x.path);
  x.site.app(req, res);
}

function onClose(this: ServerResponse): void {
  finish(exchangeOf(this));
}

/** The last byte is through, or the client is gone. Exactly once, and always last. */
function finish(x: ActiveExchange): void {
  if (x.ended) return;
  x.ended = true;
  const { res, generation, current, rival } = x;
  if (!res.writableFinished && !x.tunnelled) left(x);
  if (rival !== undefined) rival.abandon("client-abort");
  if (current !== undefined && current.state !== "done") current.abandon("client-abort");
  if (x.extras !== undefined) giveUpExtras(x);
  generation.proxy.active.remove(x);
  generation.proxy.held -= x.held;
  generation.proxy.countEnd(x.retried, x.kind === "ok");
  exchangeEnds(x);
  if (x.site.phases.end === null) return generation.leave(x, undefined);
  generation.leave(x, {
    kind: x.kind,
    status: x.status || (res.headersSent ? res.statusCode : 0),
    sent: x.sent,
    ttfb: x.ttfb,
    duration: performance.now() - x.startedAt,
    bytesIn: x.bytesIn,
    bytesOut: x.bytesOut,
    error: x.error,
  });
}

/** A connection that we cut says so in `error`; any other that closes early was closed by the client. */
function left(x: ActiveExchange): void {
  x.gone = true;
  if (x.error === undefined) {
    x.error = new ProxyError("client_closed", "The client closed the connection.");
    x.kind = "client-abort";
  }
  x.abortSignal();
}
