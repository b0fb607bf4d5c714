import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { ConsolaInstance } from "consola";
import type { TlsConfig } from "../contract/proxy.ts";

/** Where and how one listens. */
export interface PortOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsConfig | undefined;
}

/** A server that listens nowhere yet. Bytes of a request head are fixed with it. */
export async function createPortServer(
  { host, tls }: PortOptions,
  maxHeaderSize: number,
  log: ConsolaInstance,
): Promise<Server> {
  const options = { maxHeaderSize, connectionsCheckingInterval: 1_000 };
  if (tls === undefined) return createServer(options);
  const { createServerTls } = await import("./tls.ts");
  const secured = await createServerTls(tls, { host, log });
  const server = createTlsServer({ ...secured.options, ...options });
  secured.follow(server);
  server.once("close", () => secured.close());
  return server;
}

/** Resolves with the port once it listens. */
export function listenOn(server: Server, { host, port }: PortOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

export function urlOf({ host, tls }: PortOptions, port: number): string {
  return `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
