import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { expect, onTestFinished } from "vitest";
import type { TlsConfig } from "plugboard";
import { createServerTls, type ServerTls } from "../../../core/listeners/tls.ts";
import { type Certificate, pemFiles } from "../../certificates.ts";
import { eventually } from "../../e2e/eventually.ts";
import { type KeptLog, keptLog } from "../kept-log.ts";

export interface Secured extends KeptLog {
  readonly tls: ServerTls;
  readonly server: Server;
  readonly port: number;
}

/** An https server that says `hello`, made and followed as a listener does it. */
export async function secured(config: TlsConfig): Promise<Secured> {
  const kept = keptLog();
  const tls = await createServerTls(config, { host: "127.0.0.1", log: kept.log });
  const server = createServer(tls.options, (_, res) => void res.end("hello"));
  server.on("tlsClientError", () => undefined); // What a client does not like is the test's to see.
  tls.follow(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    tls.close();
    server.closeAllConnections();
    server.close();
  });
  return { ...kept, tls, server, port: (server.address() as AddressInfo).port };
}

export interface Dialled {
  /** @default none is asked for */
  readonly servername?: string;
  readonly alpn?: readonly string[];
  readonly minVersion?: "TLSv1.2" | "TLSv1.1" | "TLSv1";
  readonly maxVersion?: "TLSv1.2" | "TLSv1.1" | "TLSv1.3";
}

/** A connection whose handshake is done. What it is shown is looked at, not judged. */
export async function dial(port: number, { alpn, servername = "", ...options }: Dialled = {}): Promise<TLSSocket> {
  const socket = connect({
    host: "127.0.0.1",
    port,
    servername,
    rejectUnauthorized: false,
    ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
    ...options,
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

/** The PEM of the certificate that a new connection is shown. */
export async function shownTo(port: number, servername?: string): Promise<string> {
  const socket = await dial(port, servername === undefined ? {} : { servername });
  const shown = socket.getPeerX509Certificate()?.toString() ?? "";
  socket.destroy();
  return shown;
}

/** Where a certificate and its key are. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export function filesOf({ cert, key }: Certificate): Pair {
  return pemFiles({ cert, key });
}

/** In place; only the user that runs the test may read them. */
export function write(files: Pair, { cert, key }: Certificate): void {
  writeFileSync(files.cert, cert, { mode: 0o600 });
  writeFileSync(files.key, key, { mode: 0o600 });
}

/** Settles when the log has a line with these words. */
export function told({ lines }: KeptLog, words: string): Promise<void> {
  return eventually(() => expect(lines.filter((line) => line.includes(words))).not.toEqual([]));
}
