import { ProxyError } from "../errors.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";

/** Says what is wrong with a request for a tunnel. */
export function checkUpgrade(x: ActiveExchange): ProxyError | undefined {
  if (x.tunnel === undefined) return undefined;
  if (x.hasBody) return new ProxyError("invalid_request", "A request that asks for a tunnel cannot have a body.");
  if (x.upgradeTo === "websocket" && !isWebSocketKey(x.req.headers["sec-websocket-key"])) {
    return new ProxyError("invalid_request", "Sec-WebSocket-Key is not 16 bytes in base64.");
  }
  return undefined;
}

/** RFC 6455 4.1: 16 bytes, base64. */
function isWebSocketKey(key: string | undefined): boolean {
  return key !== undefined && /^[A-Za-z0-9+/]{22}==$/.test(key);
}
