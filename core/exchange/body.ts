import type { IncomingMessage } from "node:http";
import { ProxyError } from "../errors.ts";
import { type ActiveExchange, exchangeOf } from "./exchange.ts";
import { fail } from "./respond.ts";

/** A body on its way into memory. */
export interface Intake {
  readonly limit: number;
  readonly next: (x: ActiveExchange) => void;
  readonly chunks: Buffer[];
}

/** Takes the whole body into memory, up to a limit, before the exchange goes on. */
export function readBody(x: ActiveExchange, limit: number, next: Intake["next"]): void {
  if (!x.hasBody) return next(x);
  if (x.contentLength > limit) return fail(x, tooLarge(limit));
  if (!x.generation.proxy.canHold(Math.max(x.contentLength, 0))) return fail(x, tooMany());
  allowBody(x);
  x.intake = { limit, next, chunks: [] };
  x.bodyAt = x.generation.proxy.active.now;
  x.req.on("data", onData).on("end", onEnd);
}

/** A client that waits for a go-ahead gets it only now, when its body is wanted. */
export function allowBody(x: ActiveExchange): void {
  if (!x.expectContinue) return;
  x.expectContinue = false;
  // An upstream's connection may be ready only when the client has its answer from elsewhere; newer Nodes throw then.
  if (!x.res.headersSent) x.res.writeContinue();
}

export function tooLarge(limit: number): ProxyError {
  return new ProxyError("body_too_large", `The request body is larger than ${limit} bytes.`);
}

function tooMany(): ProxyError {
  return new ProxyError("overloaded", "The proxy has too many request bodies in hand.", { phase: "inspect" });
}

function onData(this: IncomingMessage, chunk: Buffer): void {
  const x = exchangeOf(this);
  const { chunks, limit } = x.intake as Intake;
  x.bytesIn += chunk.length;
  x.bodyAt = x.generation.proxy.active.now;
  const { proxy } = x.generation;
  const fault = x.bytesIn > limit ? tooLarge(limit) : proxy.canHold(chunk.length) ? undefined : tooMany();
  if (fault !== undefined) {
    this.off("data", onData).off("end", onEnd);
    return fail(x, fault);
  }
  proxy.held += chunk.length;
  x.held += chunk.length;
  // The usual request arrives in one piece: no copy, and no waiting for the end event.
  if (x.bytesIn === x.contentLength && chunks.length === 0) return taken(x, chunk);
  chunks.push(chunk);
  if (x.bytesIn === x.contentLength) taken(x, Buffer.concat(chunks));
}

function onEnd(this: IncomingMessage): void {
  const x = exchangeOf(this);
  if (x.intake === undefined) return; // It was whole before its end was told.
  taken(x, Buffer.concat(x.intake.chunks));
}

function taken(x: ActiveExchange, body: Buffer): void {
  const { next } = x.intake as Intake;
  x.intake = undefined;
  x.bodyAt = 0;
  x.body = body;
  if (!x.over) next(x);
}

/**
 * Looks at the first piece of a body that nobody asked for: when it is the whole body it is kept, which is cheaper than a
 * stream and lets the request be tried again; when it is not it goes back, and the body is streamed.
 */
export function takeFirstPiece(x: ActiveExchange, next: Intake["next"]): void {
  x.intake = { limit: 0, next, chunks: [] };
  x.bodyAt = x.generation.proxy.active.now;
  x.req.on("data", onFirstPiece).on("end", onEmpty);
}

function onFirstPiece(this: IncomingMessage, chunk: Buffer): void {
  const x = exchangeOf(this);
  if (chunk.length === x.contentLength) {
    x.bytesIn = chunk.length;
    return peeked(x, chunk);
  }
  this.off("data", onFirstPiece).off("end", onEmpty);
  this.pause();
  this.unshift(chunk);
  peeked(x, undefined);
}

function onEmpty(this: IncomingMessage): void {
  const x = exchangeOf(this);
  if (x.intake !== undefined) peeked(x, Buffer.alloc(0));
}

function peeked(x: ActiveExchange, body: Buffer | undefined): void {
  const { next } = x.intake as Intake;
  x.intake = undefined;
  x.bodyAt = 0;
  x.body = body;
  if (!x.over) next(x);
}
