import { createServer } from "node:https";
import { networkInterfaces } from "node:os";
import type { Proxy } from "../contract/proxy.ts";
import { Failure } from "./failure.ts";

export interface ListenOptions {
  readonly port: number;
  readonly host: string;
  readonly https: boolean;
}

export interface Address {
  readonly port: number;
  /** Where it is reached; the first is the one to show. */
  readonly urls: readonly string[];
}

/** @throws Failure that says why the port cannot be had */
export async function listen(proxy: Proxy, options: ListenOptions): Promise<Address> {
  const { port, host, https } = options;
  try {
    const bound = https ? await listenWithCertificate(proxy, options) : (await proxy.listen({ port, host })).port;
    return { port: bound, urls: hostsOf(host).map((name) => `${https ? "https" : "http"}://${name}:${bound}`) };
  } catch (error) {
    throw explainListenError(error, { port, host });
  }
}

/** In words, if it is about listening at all. */
export function explainListenError(error: unknown, { port, host }: { port: number; host: string }): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const failure = (message: string, fix: string): Failure => new Failure(1, message, { fix, cause: error });
  if (code === "EADDRINUSE") return failure(`port ${port} is in use`, "stop what listens there or pass --port");
  if (code === "EACCES") return failure(`port ${port} is not for this user`, "pass a --port above 1023");
  if (code === "EADDRNOTAVAIL")
    return failure(`${host} is no address of this machine`, "pass a --host that is, or 0.0.0.0 for all");
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return failure(`the host name ${host} leads nowhere`, "pass --host 127.0.0.1");
  return error;
}

async function listenWithCertificate(proxy: Proxy, { port, host }: ListenOptions): Promise<number> {
  const server = createServer(await makeCertificate(host));
  proxy.attach(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

/**
 * Takes listhen's self-signed certificate, and only that: its server moves to port 3000 when it does not like the one it
 * is given, to all interfaces when it does not like the host, and listens to every request twice.
 */
async function makeCertificate(host: string): Promise<{ key: string; cert: string }> {
  const { listen: listhen } = await import("listhen");
  const domains = [...new Set([host, "localhost", "127.0.0.1", "::1"])];
  const { https, close } = await listhen(() => {}, {
    port: { random: true, port: 0 },
    hostname: "127.0.0.1",
    https: { domains, validityDays: 365 },
    isProd: true,
    autoClose: false,
    showURL: false,
  });
  await close();
  if (https === false) throw new Error("listhen made no certificate");
  return https;
}

/** Host names for URLs; all of this machine's where all are listened on. */
function hostsOf(host: string): string[] {
  if (host !== "0.0.0.0" && host !== "::") return [host.includes(":") ? `[${host}]` : host];
  const outer = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.filter(({ internal, family }) => !internal && family === "IPv4").map(({ address }) => address),
  );
  return ["127.0.0.1", ...outer];
}
