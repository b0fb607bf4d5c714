import { createConsola } from "consola";
import { createProxy, type Plugin, type Proxy, type ProxyConfig } from "plugboard";

const log = createConsola({ level: -999 });

/** A proxy that says nothing: faults are what is tested. */
export function openProxy(...plugins: readonly Plugin[]): Promise<Proxy> {
  return openConfig({ plugins });
}

/** The same, of a config that a reload can take again. */
export function openConfig(config: ProxyConfig): Promise<Proxy> {
  return createProxy(config, { log });
}

/** Of the default pool, sorted. */
export function idsOf(proxy: Proxy): string[] {
  const pool = proxy.pools().find(({ name }) => name === "default");
  return (pool?.snapshot.all ?? []).map(({ id }) => id).toSorted();
}

/** What is wrong with the sources of a proxy. */
export function faultsOf(proxy: Proxy): string[] {
  return proxy.status().stale.map(({ error }) => error);
}
