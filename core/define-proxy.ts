import type { ConfigFunction, ProxyConfig } from "./contract/proxy.ts";

/** Returns its argument, typed: what `proxy.config.ts` exports as default. */
export function defineProxy<C extends ProxyConfig | ConfigFunction>(config: C): C {
  return config;
}
