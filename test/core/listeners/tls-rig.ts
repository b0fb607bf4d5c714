import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type Server, createServer } from "node:https";
import { type AddressInfo, connect as connectPlain } from "node:net";
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

/** RFC 5246 7.2: a fatal alert that the version is not spoken, without the version of the record that brings it. */
export const protocolVersion: readonly number[] = [0x15, 0x02, 0x46];

/** Type of the record, and what is in it, by which a server answers the hello of a client that speaks a version at most. */
export async function greet(port: number, version: number): Promise<readonly number[]> {
  const ciphers = [0xc0, 0x13, 0xc0, 0x0a, 0xc0, 0x09, 0xc0, 0x2b, 0xc0, 0x2f, 0x00, 0x2f];
  const groups = [0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17];
  const signatures = [0x00, 0x0d, 0x00, 0x06, 0x00, 0x04, 0x04, 0x03, 0x04, 0x01];
  const extensions = [...groups, ...signatures];
  const random = Array.from({ length: 32 }, (_, i) => i);
  const hello = [version >> 8, version & 0xff, ...random, 0, 0, ciphers.length, ...ciphers, 1, 0];
  hello.push(0, extensions.length, ...extensions);
  const message = [0x01, 0, 0, hello.length, ...hello];
  // Older clients can no longer be had: newer Nodes refuse to be one.
  const socket = connectPlain({ host: "127.0.0.1", port });
  onTestFinished(() => void socket.destroy());
  socket.write(Buffer.from([0x16, 0x03, 0x01, 0, message.length, ...message]));
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer[0] === 0x15 ? [0x15, ...answer.subarray(5, 7)] : [...answer.subarray(0, 1)];
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
