import { createProxy, type Proxy, type ProxyConfig } from "plugboard";
import { onTestFinished } from "vitest";
import { keptLog } from "./kept-log.ts";

export interface OpenProxy extends Proxy {
  /** What it logged. */
  readonly lines: readonly string[];
}

/** A proxy that is closed when the test is over, and whose log is kept. */
export async function openProxy(config: ProxyConfig): Promise<OpenProxy> {
  const { log, lines } = keptLog();
  const proxy = await createProxy(config, { log });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  return Object.assign(proxy, { lines });
}
