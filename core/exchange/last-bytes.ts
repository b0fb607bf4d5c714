import { hangUp } from "../wire/hang-up.ts";
import type { ActiveExchange } from "./exchange.ts";

/** Whether the connection can serve another request after this one. */
export function keepsAlive(x: ActiveExchange): boolean {
  return !x.generation.proxy.draining && !isUnread(x);
}

/** Node says `complete` only after the last piece was handed over, which may be what led here. */
export function isUnread(x: ActiveExchange): boolean {
  return x.hasBody && !x.req.complete && !x.broken && x.bytesIn !== x.contentLength;
}

/** Ends the connection so that nobody takes what was sent for a whole answer. */
export function endVisibly(x: ActiveExchange): void {
  hangUp(x.req, x.res, x.lengthDeclared || (x.res.chunkedEncoding && x.res.shouldKeepAlive));
}
