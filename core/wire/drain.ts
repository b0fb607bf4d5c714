import type { Socket } from "node:net";
import type { Limits } from "../contract/proxy.ts";
import { ProxyError } from "../errors.ts";
import { fail } from "../exchange/respond.ts";
import type { ProxyState } from "../proxy-state.ts";
import { openExchanges } from "./connection.ts";
import type { Attached } from "./server.ts";

const step = 20;
const lastWordMs = 50;

/**
 * Lets what is under way end: new requests are still taken for `drainDelay`, then no new connections; a connection
 * that has been idle for `drainIdle` is closed, and each response says `Connection: close`, so that no client is cut off
 * between two requests. Resolves when nothing is left, at the deadline, or when `now` aborts.
 */
export async function drain(
  proxy: ProxyState,
  servers: readonly Attached[],
  limits: Required<Limits>,
  deadline: number,
  now: AbortSignal,
): Promise<void> {
  const until = performance.now() + deadline;
  await pause(Math.min(limits.drainDelay, deadline), now);
  for (const server of servers) server.stopListening();
  const idleSince = new Map<Socket, number>();
  while (!now.aborted && performance.now() < until) {
    for (const { connections } of servers) closeIdle(connections, idleSince, limits.drainIdle);
    if (proxy.active.size === 0 && servers.every(({ connections }) => connections.size === 0)) return;
    await pause(step, now);
  }
}

/** Ends what is left, with an error that tells why, and gives that a moment to get out. */
export async function endAll(proxy: ProxyState): Promise<void> {
  if (proxy.active.size === 0) return;
  proxy.active.each((x) => {
    if (x.res.writableEnded) return;
    const error = new ProxyError("draining", "The proxy is shutting down.");
    if (x.current !== undefined && x.current.state !== "done") x.current.stop("local", error, false);
    else fail(x, error);
  });
  await pause(lastWordMs, new AbortController().signal);
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
