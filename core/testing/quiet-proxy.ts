import { createConsola } from "consola";
import type { Proxy, ProxyConfig } from "../contract/proxy.ts";
import { createProxy } from "../proxy.ts";

/** Makes a proxy that logs nothing: the faults that a law provokes are no news. */
export function createQuietProxy(config: ProxyConfig): Promise<Proxy> {
  return createProxy(config, { log: createConsola({ level: -999 }) });
}
