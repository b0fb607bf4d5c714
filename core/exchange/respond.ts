import type { ServerResponse } from "node:http";
import type { HeaderRecord, Reply, UpstreamHead } from "../contract/exchange.ts";
import type { Relay } from "../contract/services.ts";
import { ProxyError } from "../errors.ts";
import { lingerThenEnd } from "../wire/hang-up.ts";
import { type Headers, trailersToSend } from "../wire/response-headers.ts";
import { tellInStream } from "./early.ts";
import { errorReply } from "./error-reply.ts";
import { type ActiveExchange, exchangeOf } from "./exchange.ts";
import { endVisibly, isUnread, keepsAlive } from "./last-bytes.ts";

/** Answers with a whole response made here. */
export function sendReply(x: ActiveExchange, reply: Reply): void {
  const { res } = x;
  if (x.early !== undefined && !x.over) return tellInStream(x, reply);
  if (x.ended || res.headersSent) return;
  const body = typeof reply.body === "string" ? Buffer.from(reply.body) : reply.body;
  if (!isReply(reply, body)) return refuseReply(x, reply);
  const headers: HeaderRecord = Object.create(null);
  for (const [name, value] of Object.entries(reply.headers ?? {}))
    headers[name.toLowerCase()] = value as string | string[];
  delete headers["transfer-encoding"];
  delete headers["content-length"];
  if (reply.status !== 204 && reply.status !== 304) headers["content-length"] = String(body?.length ?? 0);
  x.committed = true;
  x.status = reply.status;
  const unread = isUnread(x);
  if (!keepsAlive(x)) res.shouldKeepAlive = false;
  try {
    res.writeHead(reply.status, headers);
  } catch (cause) {
    // A header that Node refuses: a plugin built it out of something the client sent.
    x.generation.log.error("a reply cannot be sent:", cause);
    res.writeHead(500, { "content-length": 0 });
    return void res.end();
  }
  if (body !== undefined && x.method !== "HEAD") x.bytesOut += body.length;
  if (unread) lingerThenEnd(x.req, res, body);
  else end(x, body);
}

/** What TypeScript refuses JavaScript may still return. */
function isReply(reply: Reply, body: unknown): boolean {
  return Number.isInteger(reply.status) && (body === undefined || body instanceof Uint8Array);
}

/** The fault of the plugin that made the reply; if that was to tell an error, the error is told in our words. */
function refuseReply(x: ActiveExchange, reply: Reply): void {
  const told = x.error;
  const cause = new TypeError(`a reply has the status ${String(reply.status)} and a body of type ${typeof reply.body}`);
  if (told === undefined) return fail(x, new ProxyError("plugin_error", "A plugin of the proxy failed.", { cause }));
  x.generation.log.error(`${x.method} ${x.path}: the error hook made no reply:`, cause);
  sendReply(x, errorReply(x, told));
}

/** Ends an exchange with an error: as a reply while that is possible, else by cutting the connection. */
export function fail(x: ActiveExchange, error: ProxyError): void {
  if (x.ended || x.error !== undefined) return;
  x.error = error;
  const { phases } = x.site;
  if (error.code === "plugin_error") x.kind = "plugin";
  if (x.committed) return cut(x, error, undefined);
  report(x, error);
  sendReply(x, phases.error?.(x, error) ?? errorReply(x, error));
}

/** What is wrong on this side is for the log, and only for it. */
function report(x: ActiveExchange, error: ProxyError): void {
  if (error.status !== 500 || error.cause === undefined) return;
  const who = error.plugin === undefined ? "" : ` of plugin ${error.plugin}`;
  const where = error.phase === "" ? "" : ` in phase ${error.phase}`;
  x.generation.log.error(`${x.method} ${x.path}: ${error.code}${who}${where}:`, error.cause);
}

/** Writes the head of an upstream's response. False: there is no body, and the response is over. */
export function commit(x: ActiveExchange, head: UpstreamHead, length: number): boolean {
  const { res } = x;
  const { status, headers } = head;
  const bodiless = x.method === "HEAD" || status === 204 || status === 304;
  if (length >= 0 && status !== 204 && x.early === undefined) {
    headers["content-length"] = String(length);
    x.lengthDeclared = true;
  }
  // Node refuses to announce trailers where there can be none.
  if (headers["trailer"] !== undefined && (bodiless || length >= 0 || x.req.httpVersionMinor === 0))
    delete headers["trailer"];
  if (x.early === undefined) {
    if (!keepsAlive(x)) res.shouldKeepAlive = false;
    res.writeHead(status, headers);
  }
  x.committed = true;
  if (bodiless || length === 0) {
    endUnread(x);
    return false;
  }
  flushSoon(x);
  return true;
}

/** False: the client does not keep up, and the attempt is resumed on drain. */
export function writeChunk(x: ActiveExchange, chunk: Uint8Array): boolean {
  x.bytesOut += chunk.length;
  const { res } = x;
  if (res.write(chunk)) return true;
  if (x.current === undefined || x.current.state === "done") return true;
  if (!x.current.paused) {
    x.current.paused = true;
    res.once("drain", onDrain);
    watchForStall(x);
  }
  return false;
}

/** For a client that does not read; Node counts progress in the kernel here, so that a slow one is not taken for stuck. */
function watchForStall(x: ActiveExchange): void {
  const { res } = x;
  if (res.listenerCount("timeout") > 0) return;
  res.socket?.setTimeout(x.generation.proxy.limits.writeStall);
  res.on("timeout", onWriteStall);
}

/** The last bytes were handed over, but may not be taken. */
function end(x: ActiveExchange, rest?: Uint8Array): void {
  const { res } = x;
  res.end(rest);
  if (res.socket?.writableNeedDrain === true) watchForStall(x);
}

export function endResponse(x: ActiveExchange, chunk: Uint8Array | null, trailers?: Headers): void {
  const { res } = x;
  if (trailers !== undefined && x.wantsTrailers) {
    const pairs = trailersToSend(trailers);
    if (pairs.length > 0) res.addTrailers(pairs);
  }
  if (chunk !== null) {
    x.bytesOut += chunk.length;
    if (isUnread(x)) res.write(chunk);
    else return end(x, chunk);
  }
  endUnread(x);
}

/** An upstream may answer before it has read the request: the client must get the answer, and not a reset. */
function endUnread(x: ActiveExchange): void {
  if (isUnread(x)) lingerThenEnd(x.req, x.res, undefined);
  else end(x);
}

/** After commit: a last frame if the relay has one, then the end of the connection, never a clean end of the response. */
export function cut(x: ActiveExchange, error: ProxyError, relay: Relay | undefined): void {
  x.error = error;
  x.status = x.res.statusCode;
  report(x, error);
  let frame: Uint8Array | null = null;
  try {
    frame = relay?.broken?.(error) ?? null;
  } catch (cause) {
    x.generation.log.error("a relay threw in broken:", cause);
  }
  if (frame !== null && x.res.writable) {
    x.bytesOut += frame.length;
    x.res.write(frame);
  }
  // A tunnel has ended its sockets itself.
  if (!x.tunnelled) endVisibly(x);
}

function onDrain(this: ServerResponse): void {
  this.socket?.setTimeout(0);
  this.off("timeout", onWriteStall);
  exchangeOf(this).current?.resume();
}

function onWriteStall(this: ServerResponse): void {
  const x = exchangeOf(this);
  x.error = new ProxyError("write_stalled", "The client stopped reading.");
  x.kind = "stalled";
  x.current?.abandon("stalled");
  this.destroy();
}

const unflushed: ActiveExchange[] = [];

/**
 * The head goes out with the body if that came in the same read, and alone at the end of this tick if it did not:
 * a client never waits for a first body byte to see it, and a short answer is still one write.
 */
function flushSoon(x: ActiveExchange): void {
  if (unflushed.push(x) === 1) process.nextTick(flush);
}

function flush(): void {
  for (const x of unflushed) if (x.bytesOut === 0 && !x.res.writableEnded) x.res.flushHeaders();
  unflushed.length = 0;
}
