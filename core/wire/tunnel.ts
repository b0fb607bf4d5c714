import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Relay } from "../contract/services.ts";
import { ProxyError } from "../errors.ts";
import type { Attempt } from "../exchange/attempt.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import { reset } from "./hang-up.ts";
import { endToEnd, type Headers } from "./response-headers.ts";
import { closeFrame, FrameTracker } from "./websocket-frames.ts";

type Done = (error: ProxyError | undefined) => void;

const lingerMs = 1_000;
const resetDelayMs = 5;
/** Less than a drain gives to all last words, so that plugins hear of the end before they are closed. */
const lastWordMs = 25;
/** Of what a client sends before the 101; what is more stays in the kernel. */
const earlyLimit = 65_536;

/**
 * Joins the client's socket and an upstream's after a matching 101. Until then nothing that the client sent behind its
 * request has been forwarded: an upstream that refuses would take it for the next request.
 */
export function openTunnel(x: ActiveExchange, upstream: Duplex, headers: Headers, done: Done): void {
  const { socket: client, head } = x.tunnel as NonNullable<ActiveExchange["tunnel"]>;
  x.committed = true;
  x.status = 101;
  x.res.statusCode = 101;
  x.res.detachSocket(client as Socket);
  client.write(switching(headers));
  const tunnel = new Tunnel(x, client, upstream, done);
  // Whoever ends an exchange that is committed asks its relay for a last word.
  (x.current as Attempt).relay = tunnel;
  tunnel.open([head, ...stopWaiting(client)]);
}

/** Two sockets of which each gets what the other one sends, and ends as the other one ends. */
class Tunnel implements Relay {
  readonly #x: ActiveExchange;
  readonly #client: Duplex;
  readonly #upstream: Duplex;
  readonly #done: Done;
  readonly #fromClient: FrameTracker | undefined;
  readonly #fromUpstream: FrameTracker | undefined;
  #over = false;

  constructor(x: ActiveExchange, client: Duplex, upstream: Duplex, done: Done) {
    this.#x = x;
    this.#client = client;
    this.#upstream = upstream;
    this.#done = done;
    const framed = x.upgradeTo === "websocket";
    this.#fromClient = framed ? new FrameTracker() : undefined;
    this.#fromUpstream = framed ? new FrameTracker() : undefined;
  }

  open(early: readonly Buffer[]): void {
    const client = this.#client;
    const upstream = this.#upstream;
    // A reset is told by `error` and then by `close`, which says that there was one.
    client.on("error", ignore).on("close", (broken: unknown) => this.#clientClosed(broken === true));
    upstream.on("error", ignore).on("close", (broken: unknown) => this.#upstreamClosed(broken === true));
    upstream.on("end", () => this.#upstreamEnded());
    for (const chunk of early) if (chunk.length > 0) this.#up(chunk);
    client.on("data", (chunk: Buffer) => this.#up(chunk)).on("drain", () => upstream.resume());
    upstream.on("data", (chunk: Buffer) => this.#down(chunk)).on("drain", () => client.resume());
  }

  /** What passes a tunnel is no body, and comes by here never. */
  data(chunk: Uint8Array): Uint8Array {
    return chunk;
  }

  /**
   * The proxy ends it. A WebSocket is told on both sides, though never within a frame that is on its way. What the bytes of
   * another protocol mean is not known here: an orderly end could make a part look whole.
   */
  broken(): null {
    if (this.#over) return null;
    this.#over = true;
    if (this.#fromUpstream?.atBoundary === true) this.#client.write(closeFrame(false));
    if (this.#fromClient?.atBoundary === true) this.#upstream.write(closeFrame(true));
    for (const side of [this.#client, this.#upstream]) {
      if (this.#fromClient === undefined) resetSoon(side);
      else this.#farewell(side);
      destroyAfter(side, lastWordMs);
    }
    return null;
  }

  #up(chunk: Buffer): void {
    if (this.#over) return;
    this.#x.bytesIn += chunk.length;
    this.#fromClient?.pass(chunk);
    this.#moved();
    if (!this.#upstream.write(chunk)) this.#client.pause();
  }

  #down(chunk: Buffer): void {
    if (this.#over) return;
    this.#x.bytesOut += chunk.length;
    this.#fromUpstream?.pass(chunk);
    this.#moved();
    if (!this.#client.write(chunk)) this.#upstream.pause();
  }

  #moved(): void {
    const { current, generation } = this.#x;
    (current as Attempt).since = generation.proxy.active.now;
  }

  #clientClosed(broken: boolean): void {
    if (this.#over) return;
    this.#over = true;
    if (broken) resetNow(this.#upstream);
    else this.#farewell(this.#upstream);
    this.#done(undefined);
  }

  #upstreamEnded(): void {
    if (this.#over) return;
    this.#over = true;
    this.#farewell(this.#client);
    this.#farewell(this.#upstream);
    this.#done(undefined);
  }

  /** Without an end before it. */
  #upstreamClosed(broken: boolean): void {
    if (this.#over) return;
    this.#over = true;
    if (broken) resetSoon(this.#client);
    else this.#farewell(this.#client);
    const target = this.#x.target?.id ?? "";
    this.#done(broken ? new ProxyError("upstream_reset", "The upstream broke the tunnel.", { target }) : undefined);
  }

  /**
   * Sends what is written and a FIN, and reads on for a moment: closing with unread bytes would turn into a reset, which
   * can take the last ones along. Keeps no process alive.
   */
  readonly #farewell = (side: Duplex): void => {
    const socket = side as Socket;
    if (socket.destroyed) return;
    const { writeStall } = this.#x.generation.proxy.limits;
    socket.setTimeout?.(writeStall, () => socket.destroy());
    socket.unref?.();
    socket.resume();
    socket.end(() => destroyAfter(socket, lingerMs));
  };
}

/** Lets what is written arrive, which a reset in the same tick would throw away. */
function resetSoon(socket: Duplex): void {
  if (socket.destroyed) return;
  socket.resume();
  socket.write("", () => setTimeout(() => resetNow(socket), resetDelayMs).unref());
  destroyAfter(socket, lingerMs);
}

function resetNow(socket: Duplex): void {
  if ("resetAndDestroy" in socket) reset(socket as Socket);
  else socket.destroy();
}

function destroyAfter(socket: Duplex, delay: number): void {
  const timer = setTimeout(() => socket.destroy(), delay).unref();
  socket.once("close", () => clearTimeout(timer));
}

/** `close` follows. */
function ignore(): void {}

const waiting: WeakMap<Duplex, { readonly chunks: Buffer[]; length: number }> = new WeakMap();

/** Nobody reads a socket that waits for its tunnel: without this a client that leaves meanwhile would not be noticed. */
export function watchWaiting(socket: Duplex): void {
  if (waiting.has(socket)) return;
  waiting.set(socket, { chunks: [], length: 0 });
  socket.on("readable", takeEarly);
}

/** What came meanwhile, for whoever reads on. */
export function stopWaiting(socket: Duplex): readonly Buffer[] {
  socket.off("readable", takeEarly);
  const { chunks = [] } = waiting.get(socket) ?? {};
  waiting.delete(socket);
  return chunks;
}

/** The end of a socket is told only when all before it was read. */
function takeEarly(this: Duplex): void {
  const early = waiting.get(this);
  if (early === undefined || early.length >= earlyLimit) return;
  const chunk = this.read() as Buffer | null; // All there is.
  if (chunk === null) return;
  early.chunks.push(chunk);
  early.length += chunk.length;
}

function switching(headers: Headers): string {
  const lines = ["HTTP/1.1 101 Switching Protocols", "connection: upgrade", `upgrade: ${String(headers["upgrade"])}`];
  for (const [name, value] of Object.entries(endToEnd(headers))) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}
