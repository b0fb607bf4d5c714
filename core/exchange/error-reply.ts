import type { Exchange, Reply } from "../contract/exchange.ts";
import type { ProxyError } from "../errors.ts";

/** How an error is told when no plugin says otherwise. The cause, the target and the stack stay here. */
export function errorReply(x: Pick<Exchange, "id">, error: ProxyError): Reply {
  const body = { error: { message: error.message, code: error.code, request_id: x.id } };
  return { status: error.status, headers: errorHeaders(error), body: JSON.stringify(body) };
}

/** The headers of any reply that tells of an error, whatever the shape of its JSON body. */
export function errorHeaders(error: ProxyError): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-proxy-error": error.code,
  };
  if (error.status === 429 || error.status === 503) headers["retry-after"] = String(error.retryAfter ?? 1);
  if (error.status === 405) headers["allow"] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
  return headers;
}
