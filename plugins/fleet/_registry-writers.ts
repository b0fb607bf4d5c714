import type { IncomingMessage } from "node:http";
import { type AddressRules, digest, isForwarded, peerOf, tokenCheck } from "../../core/index.ts";
import { type Call, refusal } from "./_registry-http.ts";
import type { Rate } from "./_registry-rate.ts";
import type { Claim } from "./_registry-store.ts";

export interface WritersOptions {
  readonly token: string | undefined;
  /** Who may write without a token. */
  readonly writers: AddressRules;
  readonly rate: Rate;
}

export interface Writers {
  /** Throws unless the client may write, and may do so now. */
  admit(call: Call): void;
  /** Throws where one address asks for too much. */
  slow(call: Call): void;
}

export function createWriters({ token, writers, rate }: WritersOptions): Writers {
  const isShown = token === undefined ? undefined : tokenCheck(token);

  function slow({ req }: Call): void {
    const seconds = rate.take(peerOf(req));
    if (seconds === 0) return;
    throw refusal("too_many_requests", "Too many requests from this address.", { "retry-after": String(seconds) });
  }

  return {
    slow,
    admit(call) {
      if (isShown === undefined) admitAddress(call.req, writers);
      else if (!isShown(call.req)) throw withoutToken();
      slow(call);
    },
  };
}

export function toClaim(req: IncomingMessage, leaseId: string | undefined): Claim {
  return { lease: leaseId === undefined ? undefined : digest(leaseId).toString("hex"), peer: peerOf(req) };
}

function withoutToken(): Error {
  return refusal("unauthorized", "This registry takes writes with its token only: Authorization: Bearer TOKEN.", {
    "www-authenticate": "Bearer",
  });
}

function admitAddress(req: IncomingMessage, writers: AddressRules): void {
  const peer = peerOf(req);
  if (peer === "" || writers.refuse(peer) !== undefined)
    throw refusal(
      "forbidden",
      `${peer || "An unknown address"} may not write here; give the registry a token, or add it to its writers.`,
    );
  // The address is the proxy's, and whose word it passes on is not known.
  if (isForwarded(req)) throw refusal("forbidden", "Without a token this registry takes no writes through a proxy.");
  // A page in a browser on an allowed machine, which by a name that leads here may even be of the same origin.
  if (req.headers.origin !== undefined)
    throw refusal("forbidden", "Without a token this registry takes no writes from a web page.");
}
