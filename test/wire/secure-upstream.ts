import { once } from "node:events";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo, Server } from "node:net";
import type { TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import type { Certificate } from "../certificates.ts";

export interface SecureUpstream {
  readonly url: string;
  readonly server: Server;
  readonly sockets: readonly TLSSocket[];
}

/** An origin by HTTPS that answers with the name it was asked for and that of the client's certificate. */
export async function secureUpstream(certificate: Certificate, options: ServerOptions = {}): Promise<SecureUpstream> {
  const sockets: TLSSocket[] = [];
  const server = createServer({ ...certificate, ...options }, (request, response) => {
    const socket = request.socket as TLSSocket & { servername?: string | false };
    response.end(`${socket.servername || "-"} ${String(socket.getPeerCertificate().subject?.CN ?? "-")}`);
  });
  server.on("secureConnection", (socket: TLSSocket) => sockets.push(socket));
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets };
}
