import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createProxy, type Plugin } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";

/** Runs a proxy with the selector in front of upstreams with these listeners; `null` is a port that refuses. */
export async function withProxy(
  selector: Plugin,
  listeners: readonly (RequestListener | null)[],
  run: (get: () => Promise<string>) => Promise<void>,
): Promise<void> {
  const servers = await Promise.all(listeners.map((listener) => open(listener ?? (() => undefined))));
  const targets = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await Promise.all(servers.filter((_, index) => listeners[index] === null).map(close));
  const proxy = await createProxy({ plugins: [staticTargets({ targets }), selector] });
  const { url } = await proxy.listen();
  try {
    await run(async () => (await fetch(url)).text());
  } finally {
    await proxy.close({ deadline: 0 });
    await Promise.all(servers.map(close));
  }
}

/** Answers with a word. */
export function saying(word: string): RequestListener {
  return (_req, res) => void res.end(word);
}

async function open(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
}
