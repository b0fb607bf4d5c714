import { type ConfigFunction, createProxy, type Proxy, type ProxyConfig } from "plugboard";
import { onTestFinished } from "vitest";

export interface OpenProxy {
  readonly proxy: Proxy;
  /** `http://127.0.0.1:port` */
  readonly url: string;
}

/** A proxy of these plugins on a free port, closed when the test is over. */
export function openProxy(
  plugins: ProxyConfig["plugins"],
  config: Omit<ProxyConfig, "plugins"> = {},
): Promise<OpenProxy> {
  return openConfig({ ...config, plugins });
}

/** The same for what a config file exports. */
export async function openConfig(config: ProxyConfig | ConfigFunction): Promise<OpenProxy> {
  const proxy = await createProxy(config);
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const { url } = await proxy.listen({ port: 0 });
  return { proxy, url };
}
