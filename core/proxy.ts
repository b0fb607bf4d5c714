import type { ConfigFunction, Proxy, ProxyConfig } from "./contract/proxy.ts";

export function createProxy(_config: ProxyConfig | ConfigFunction): Promise<Proxy> {
  throw new Error("being written");
}
