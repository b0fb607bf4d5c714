import type { ConfigFunction, ProxyConfig } from "./contract/proxy.ts";

/** Returns its argument, checked: what `proxy.config.ts` exports as default. */
export function defineProxy(config: ProxyConfig): ProxyConfig;
export function defineProxy(config: ConfigFunction): ConfigFunction;
export function defineProxy(config: ProxyConfig | ConfigFunction): ProxyConfig | ConfigFunction {
  return config;
}
