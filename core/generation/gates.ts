import type { Exchange, UpstreamHead } from "../contract/exchange.ts";
import type { Gate, GateService } from "../contract/services.ts";
import { isProxyError, ProxyError } from "../errors.ts";

export interface GateProvider {
  readonly plugin: string;
  readonly service: GateService;
}

/** A gate, and whom to blame for it. */
export interface OwnedGate {
  readonly plugin: string;
  readonly gate: Gate;
}

/** The first gate that wants to look at this answer before the client sees it. */
export function gateFor(providers: readonly GateProvider[], x: Exchange, head: UpstreamHead): OwnedGate | undefined {
  for (const { plugin, service } of providers) {
    const gate = guarded(plugin, () => (service.match(x, head) ? service.create(x, head) : undefined));
    if (gate !== undefined) return { plugin, gate };
  }
  return undefined;
}

/** Runs code of a gate; what it throws is the fault of its plugin. */
export function guarded<T>(plugin: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (isProxyError(cause)) throw cause;
    throw new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase: "gate", cause });
  }
}
