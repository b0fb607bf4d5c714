import type { Socket } from "node:net";
import type { Limits } from "../contract/proxy.ts";
import type { ProxyState } from "../proxy-state.ts";
import { openExchanges } from "./connection.ts";
import type { Attached } from "./server.ts";

const step = 20;

/**
 * Lets what is under way end: new requests are still taken for `drainDelay`, then no new connections; a connection
 * that has been idle for `drainIdle` is closed, and each response says `Connection: close`, so that no client is cut off
 * between two requests. Resolves when nothing is left, at the deadline, or when `now` aborts.
 */
export async function drain(proxy: ProxyState, servers: readonly Attached[], limits: Required<Limits>, deadline: number, now: AbortSignal): Promise<void> {
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
