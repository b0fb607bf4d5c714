import type { Socket } from "node:net";
import type { Limits } from "../contract/proxy.ts";
import { ProxyError } from "../errors.ts";
import { fail } from "../exchange/respond.ts";
import type { ProxyState } from "../proxy-state.ts";
import { openExchanges } from "./connection.ts";
import type { Attached } from "./server.ts";

const step = 20;
const lastWordMs = 50;

export interface DrainOptions {
  readonly limits: Pick<Required<Limits>, "drainDelay" | "drainIdle">;
  /** Milliseconds. */
  readonly deadline: number;
  /** Ends it at once. */
  readonly now: AbortSignal;
  /** Whether what has no connection, as `fetch` has none, has ended too. */
  isDone?(): boolean;
}

/**
 * Lets what is under way end: new requests are still taken for `drainDelay`, then no new connections; a connection
 * that has been idle for `drainIdle` is closed, and each response says `Connection: close`, so that no client is cut off
 * between two requests. Resolves when nothing is left, at the deadline, or when `now` aborts.
 */
export async function drain(servers: readonly Attached[], options: DrainOptions): Promise<void> {
  const { limits, deadline, now, isDone = () => true } = options;
  const until = performance.now() + deadline;
  await pause(Math.min(limits.drainDelay, deadline), now);
  for (const server of servers) server.stopListening();
  const idleSince = new Map<Socket, number>();
  while (!now.aborted && performance.now() < until) {
    for (const { connections } of servers) closeIdle(connections, idleSince, limits.drainIdle);
    if (isDone() && servers.every(({ connections }) => connections.size === 0)) return;
    await pause(step, now);
  }
}

/** Ends what is left, on all connections or on these, with an error that tells why, and gives that a moment to get out. */
export async function endAll(proxy: ProxyState, only?: ReadonlySet<Socket>): Promise<void> {
  let ended = 0;
  proxy.active.each((x) => {
    if (x.res.writableEnded || (only !== undefined && !only.has(x.req.socket))) return;
    ended += 1;
    const error = new ProxyError("draining", "The proxy is shutting down.");
    if (x.current !== undefined && x.current.state !== "done") x.current.stop("local", error, false);
    else fail(x, error);
  });
  if (ended > 0) await pause(lastWordMs, new AbortController().signal);
}

/** The responses that are under way there are the last ones of their connections. */
export function announceEnd(proxy: ProxyState, connections: ReadonlySet<Socket>): void {
  proxy.active.each(({ req, res }) => {
    if (connections.has(req.socket) && !res.headersSent) res.shouldKeepAlive = false;
  });
}

function closeIdle(connections: ReadonlySet<Socket>, idleSince: Map<Socket, number>, quiet: number): void {
  const time = performance.now();
  for (const socket of connections) {
    if (openExchanges(socket) > 0) {
      idleSince.delete(socket);
      continue;
    }
    const since = idleSince.get(socket) ?? time;
    idleSince.set(socket, since);
    // end() first: a last response may still be on its way out.
    if (time - since >= quiet) socket.destroySoon();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
