import type { Duplex } from "node:stream";
import type { ActiveExchange } from "../exchange/exchange.ts";

const openKey: unique symbol = Symbol("plugboard.open");
const latestKey: unique symbol = Symbol("plugboard.latest");
const lastWordKey: unique symbol = Symbol("plugboard.lastWord");

interface Counted {
  /** Exchanges under way on this connection. */
  [openKey]?: number;
  [latestKey]?: ActiveExchange | undefined;
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

/** The exchange whose request is still arriving on this connection. */
export function unfinished(socket: object): ActiveExchange | undefined {
  const x = (socket as Counted)[latestKey];
  return x === undefined || x.ended || x.req.complete ? undefined : x;
}

export function exchangeEnds(x: ActiveExchange): void {
  const socket = x.req.socket as Counted;
  if (socket[latestKey] === x) socket[latestKey] = undefined;
  const open = (socket[openKey] ?? 1) - 1;
  socket[openKey] = open;
  const word = socket[lastWordKey];
  if (open === 0 && word !== undefined) endWith(x.req.socket, word);
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
