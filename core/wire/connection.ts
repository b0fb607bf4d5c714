import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ActiveExchange } from "../exchange/exchange.ts";

const connectionKey: unique symbol = Symbol("plugboard.connection");

/** What is kept of a client's connection, on its socket. */
export interface Connection {
  /** The peer's address, IPv4 as such; "" when there is none. */
  readonly peer: string;
  readonly scheme: "http" | "https";
  /** Exchanges under way, in the order of their requests. */
  readonly open: ActiveExchange[];
  /** What waits for its turn: one for each exchange but the first, and for an upgrade. */
  readonly waiting: (() => void)[];
  /** A response has said that it is the last one: what comes behind it is not served (RFC 9112 9.6). */
  over: boolean;
  /** Written when nothing is under way any more; then the connection ends. */
  lastWord: string | undefined;
}

export function connectionOf(socket: object): Connection {
  const carrier = socket as { [connectionKey]?: Connection };
  return (carrier[connectionKey] ??= {
    peer: plainAddress((socket as Socket).remoteAddress),
    scheme: "encrypted" in socket ? "https" : "http",
    open: [],
    waiting: [],
    over: false,
    lastWord: undefined,
  });
}

/** IPv4 in an IPv6 socket is written as IPv4. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}

export function openExchanges(socket: object): number {
  return connectionOf(socket).open.length;
}

/** The exchange whose response is being written. */
export function currentExchange(socket: object): ActiveExchange | undefined {
  return connectionOf(socket).open.find((x) => x.res.socket === socket);
}

/** The exchange whose request is still arriving. */
export function unfinished(socket: object): ActiveExchange | undefined {
  const x = connectionOf(socket).open.at(-1);
  return x === undefined || x.req.complete ? undefined : x;
}

/** False: there are others before it on this connection, and it has to wait for its turn. */
export function exchangeBegins(x: ActiveExchange): boolean {
  return x.connection.open.push(x) === 1;
}

/**
 * Runs when the exchanges before have ended: pipelined requests are served one by one, because one with an effect must
 * not be overtaken (RFC 9112 9.3.2), and so that one client cannot fan out.
 */
export function inTurn(socket: object, run: () => void): void {
  connectionOf(socket).waiting.push(run);
}

export function exchangeEnds(x: ActiveExchange): void {
  const { socket } = x.req;
  const { open, waiting, lastWord } = x.connection;
  if (open[0] === x) open.shift();
  else open.splice(open.indexOf(x), 1);
  if (!x.res.shouldKeepAlive) x.connection.over = true;
  if (!x.connection.over) waiting.shift()?.();
  if (open.length === 0 && lastWord !== undefined) endWith(socket, lastWord);
}

/** Runs now, or when all exchanges of the connection have ended. */
export function afterExchanges(socket: object, run: () => void): void {
  const { open, waiting, over } = connectionOf(socket);
  if (over) return;
  if (open.length === 0) run();
  else waiting.push(run);
}

/** Node tells only the response being written that its client has left; those behind it are told here. */
export function connectionClosed(socket: object): void {
  for (const x of connectionOf(socket).open.slice()) x.res.emit("close");
}

/** The parser fails again on each packet that follows the one it could not read. */
export function isEnding(socket: object): boolean {
  return connectionOf(socket).lastWord !== undefined;
}

/** Ends a connection with an answer to what could not be parsed, after the answers to what could. */
export function endAfterExchanges(socket: Duplex, lastWord: string): void {
  const connection = connectionOf(socket);
  connection.lastWord = lastWord;
  if (connection.open.length === 0) endWith(socket, lastWord);
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

/** The event that hands over a connection ready for HTTP. */
export function established(server: Server): "connection" | "secureConnection" {
  return "setSecureContext" in server ? "secureConnection" : "connection";
}
