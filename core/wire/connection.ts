import type { Duplex } from "node:stream";
import type { ActiveExchange } from "../exchange/exchange.ts";

const openKey: unique symbol = Symbol("plugboard.open");
const latestKey: unique symbol = Symbol("plugboard.latest");
const queuedKey: unique symbol = Symbol("plugboard.queued");
const waitingKey: unique symbol = Symbol("plugboard.waiting");
const lastWordKey: unique symbol = Symbol("plugboard.lastWord");

interface Counted {
  /** Exchanges under way on this connection. */
  [openKey]?: number;
  [latestKey]?: ActiveExchange | undefined;
  /** Exchanges whose response waits behind another one and has no socket yet. */
  [queuedKey]?: Set<ActiveExchange>;
  /** What comes next when they are over. */
  [waitingKey]?: (() => void)[];
  /** What is written when they are over; then the connection ends. */
  [lastWordKey]?: string;
}

export function openExchanges(socket: object): number {
  return (socket as Counted)[openKey] ?? 0;
}

export function exchangeBegins(x: ActiveExchange): void {
  const socket = x.req.socket as Counted;
  socket[openKey] = (socket[openKey] ?? 0) + 1;
  socket[latestKey] = x;
}

/** A response behind another one does not hear from Node when the client leaves: it is told here. */
export function isQueued(x: ActiveExchange): void {
  ((x.req.socket as Counted)[queuedKey] ??= new Set()).add(x);
}

export function connectionClosed(socket: object): void {
  for (const x of (socket as Counted)[queuedKey] ?? []) if (!x.ended) x.res.emit("close");
}

/** The exchange whose request is still arriving on this connection. */
export function unfinished(socket: object): ActiveExchange | undefined {
  const x = (socket as Counted)[latestKey];
  return x === undefined || x.ended || x.req.complete ? undefined : x;
}

export function exchangeEnds(x: ActiveExchange): void {
  const socket = x.req.socket as Counted;
  if (socket[latestKey] === x) socket[latestKey] = undefined;
  socket[queuedKey]?.delete(x);
  const open = (socket[openKey] ?? 1) - 1;
  socket[openKey] = open;
  socket[waitingKey]?.shift()?.();
  const word = socket[lastWordKey];
  if (socket[openKey] === 0 && word !== undefined) endWith(x.req.socket, word);
}

/**
 * Runs when what came before on this connection is answered: pipelined requests are served one by one,
 * because one with an effect must not be overtaken (RFC 9112 9.3.2), and so that one client cannot fan out.
 */
export function inTurn(socket: object, run: () => void): void {
  ((socket as Counted)[waitingKey] ??= []).push(run);
}

/** Ends a connection with an answer to what could not be parsed, after the answers to what could. */
export function lastWord(socket: Duplex, text: string): void {
  if ((socket as Counted)[lastWordKey] !== undefined) return; // The parser fails again on each packet that follows.
  (socket as Counted)[lastWordKey] = text;
  if (openExchanges(socket) === 0) endWith(socket, text);
}

const lingerMs = 1_000;

/** Half-closes and goes on reading for a moment: unread bytes at close would turn into a reset that takes the answer along. */
function endWith(socket: Duplex, text: string): void {
  if (!socket.writable) return void socket.destroy();
  socket.end(text);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
}
