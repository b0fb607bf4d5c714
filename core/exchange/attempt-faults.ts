import type { OutcomeKind } from "../contract/exchange.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import type { ActiveExchange } from "./exchange.ts";

/** Faults of a target. */
export const repeatable: ReadonlySet<OutcomeKind> = new Set(["connect", "reset", "timeout", "stalled", "stream-error"]);

export function hasBody(x: ActiveExchange, status: number, length: number): boolean {
  return length !== 0 && x.method !== "HEAD" && status !== 204 && status !== 304;
}

/** The client was told by an early head what to expect. */
export function misfit(status: number, target: string): ProxyError {
  return new ProxyError("upstream_protocol", `The upstream answered with status ${status}.`, { target });
}

/** Before the head. What never reached the upstream, though its connection stood, is as safe to repeat as a failed connect. */
export function toKind(fault: ProxyError): OutcomeKind {
  if (fault.source !== "upstream") return "plugin";
  return fault.phase === "connect" ? "connect" : "reset";
}

export function toPluginError(error: unknown, plugin?: string): ProxyError {
  return isProxyError(error)
    ? error
    : new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase: "relay", cause: error });
}
