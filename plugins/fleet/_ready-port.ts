import { once } from "node:events";
import { connect, createServer, isIP } from "node:net";

/** Where a backend is probed from here: its host if that is an address, else the loopback of this machine. */
export function probeHosts(host: string): readonly string[] {
  const bare = host.replace(/^\[|\]$/gu, "");
  // Nobody is there; who listens on all addresses listens on these.
  if (bare === "0.0.0.0") return ["127.0.0.1"];
  if (bare === "::") return ["::1"];
  if (isIP(bare) !== 0) return [bare];
  // Where "localhost" leads to depends on the machine, and programs bind to the first of it.
  return bare === "localhost" ? ["127.0.0.1", "::1"] : ["127.0.0.1"];
}

export function toOrigin(host: string, port: number): string {
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** Whether somebody listens there, or holds the port in another way that keeps a program from listening. */
export async function isTaken(hosts: readonly string[], port: number): Promise<boolean> {
  for (const host of hosts) {
    if ((await accepts(host, port)) || (await bindError(host, port)) === "EADDRINUSE") return true;
  }
  return false;
}

/** A free port; with `pair`, the one after it is free as well. */
export async function findFreePort(hosts: readonly string[], pair: boolean): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = await anyPort();
    if (port === 65_535 || (await isTaken(hosts, port))) continue;
    if (!pair || (await bindError("127.0.0.1", port + 1)) === undefined) return port;
  }
  throw new Error("no free port was found");
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 });
    const settle = (accepted: boolean) => (): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", settle(true)).once("error", settle(false)).once("timeout", settle(false));
  });
}

async function bindError(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    if (server.listening) await new Promise((resolve) => void server.close(resolve));
  }
}

async function anyPort(): Promise<number> {
  const server = createServer().listen({ host: "127.0.0.1", port: 0, exclusive: true });
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
