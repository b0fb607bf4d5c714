import type { ActiveExchange } from "../exchange/exchange.ts";
import type { Headers } from "./response-headers.ts";

/** Passes 102 and 103 on to a client that can take them; a 100 was answered here, and others mean nothing across hops. */
export function sendInformational(x: ActiveExchange, status: number, headers: Headers): void {
  const { req, res } = x;
  if (req.httpVersionMinor === 0 || res.headersSent) return;
  if (status === 102) res.writeProcessing();
  if (status !== 103 || headers["link"] === undefined) return;
  try {
    res.writeEarlyHints({ link: headers["link"] });
  } catch {
    // Node takes well-formed Link values only; a hint is not worth a failed request.
  }
}
