import { networkInterfaces } from "node:os";
import type { ListenerStatus, Proxy } from "../contract/proxy.ts";
import { explainListening, isListenError } from "../listeners/listen-fault.ts";
import { Failure } from "./failure.ts";

export interface ListenOptions {
  readonly port: number;
  readonly host: string;
  /** With a self-signed certificate, whatever the config says. */
  readonly https: boolean;
}

export interface Address {
  readonly port: number;
  /** Where it is reached; the first is the one to show. */
  readonly urls: readonly string[];
  /** Further ports. */
  readonly listeners: readonly ListenerStatus[];
}

/** @throws Failure that says why the port cannot be had */
export async function listen(proxy: Proxy, options: ListenOptions): Promise<Address> {
  const { port, host, https } = options;
  try {
    const bound = await proxy.listen({ port, host, ...(https && { tls: "self-signed" }) });
    const scheme = bound.url.slice(0, bound.url.indexOf(":"));
    const listeners = proxy.listeners().filter(({ name }) => name !== "main");
    return { port: bound.port, urls: hostsOf(host).map((name) => `${scheme}://${name}:${bound.port}`), listeners };
  } catch (error) {
    throw explainListenError(error, { port, host });
  }
}

const fixes: Readonly<Record<string, (port: string, host: string) => string>> = {
  EADDRINUSE: (port) => `stop what listens there or ${port}`,
  EACCES: (port) => `${port} above 1023`,
  EADDRNOTAVAIL: (_, host) => `${host} that is, or 0.0.0.0 for all`,
  ENOTFOUND: (_, host) => `${host} 127.0.0.1`,
  EAI_AGAIN: (_, host) => `${host} 127.0.0.1`,
};

/** In words, if it is about listening at all. */
export function explainListenError(error: unknown, place: { port: number; host: string }): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const fix = Object.hasOwn(fixes, code) ? fixes[code] : undefined;
  if (fix === undefined) return error;
  if (!isListenError(error)) {
    const pass = code === "EADDRINUSE" ? "pass --port" : "pass a --port";
    const host = code === "EADDRNOTAVAIL" ? "pass a --host" : "pass --host";
    return new Failure(1, explainListening(error, place), { fix: fix(pass, host), cause: error });
  }
  const at = `listeners.${error.listener}`;
  const message = `listener ${error.listener}: ${explainListening(error, error)}`;
  return new Failure(1, message, { fix: fix(`set ${at}.port`, `set ${at}.host to`), cause: error });
}

/** Host names for URLs; all of this machine's where all are listened on. */
function hostsOf(host: string): string[] {
  if (host !== "0.0.0.0" && host !== "::") return [host.includes(":") ? `[${host}]` : host];
  const outer = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.filter(({ internal, family }) => !internal && family === "IPv4").map(({ address }) => address),
  );
  return ["127.0.0.1", ...outer];
}
