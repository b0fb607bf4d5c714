import { ProxyError } from "../errors.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";

/**
 * Decides on a request to switch protocols. One that is not allowed here is answered as if it had not been asked
 * (RFC 9110 7.8), which is only possible when no body follows it: Node has let go of the connection.
 */
export function checkUpgrade(x: ActiveExchange): ProxyError | undefined {
  if (x.tunnel === undefined) return undefined;
  const { upgradeTo = "" } = x;
  if (x.hasBody) return new ProxyError("invalid_request", "A request that asks for an upgrade cannot have a body here.");
  if (!x.generation.upgrades.has(upgradeTo)) {
    x.tunnel = undefined;
    return undefined;
  }
  if (upgradeTo === "websocket" && !isWebSocketKey(x.req.headers["sec-websocket-key"])) {
    return new ProxyError("invalid_request", "Sec-WebSocket-Key is not 16 bytes in base64.");
  }
  return undefined;
}

/** RFC 6455 4.1: 16 bytes, base64. */
function isWebSocketKey(key: string | undefined): boolean {
  return key !== undefined && /^[A-Za-z0-9+/]{22}==$/.test(key);
}
