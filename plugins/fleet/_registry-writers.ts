import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { AddressRules } from "../../core/index.ts";
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
  const wanted = token === undefined ? undefined : digest(token);

  function slow({ req }: Call): void {
    const seconds = rate.take(toPeer(req));
    if (seconds === 0) return;
    throw refusal("too_many_requests", "Too many requests from this address.", { "retry-after": String(seconds) });
  }

  return {
    slow,
    admit(call) {
      if (wanted === undefined) admitAddress(call.req, writers);
      else admitToken(call.req, wanted);
      slow(call);
    },
  };
}

/** Empty where it is not known, such as that of a client that left already. */
export function toPeer({ socket }: IncomingMessage): string {
  // What srvx gives to a request that was made in this process.
  if (socket.remoteAddress === "") return "127.0.0.1";
  return (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, "");
}

export function toClaim(req: IncomingMessage, leaseId: string | undefined): Claim {
  return { lease: leaseId === undefined ? undefined : digest(leaseId).toString("hex"), peer: toPeer(req) };
}

function admitToken({ headers }: IncomingMessage, wanted: Buffer): void {
  const given = /^bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  // Digests are as long as each other, whatever was given, and take as long to compare.
  if (given !== undefined && timingSafeEqual(digest(given), wanted)) return;
  throw refusal("unauthorized", "This registry takes writes with its token only: Authorization: Bearer TOKEN.", {
    "www-authenticate": "Bearer",
  });
}

function admitAddress(req: IncomingMessage, writers: AddressRules): void {
  const peer = toPeer(req);
  if (peer === "" || writers.refuse(peer) !== undefined)
    throw refusal(
      "forbidden",
      `${peer || "An unknown address"} may not write here; give the registry a token, or add it to its writers.`,
    );
  // The address is the proxy's, and whose word it passes on is not known.
  if (req.headers["x-forwarded-for"] !== undefined || req.headers["forwarded"] !== undefined)
    throw refusal("forbidden", "Without a token this registry takes no writes through a proxy.");
  // A page in a browser on an allowed machine, which by a name that leads here may even be of the same origin.
  if (req.headers.origin !== undefined)
    throw refusal("forbidden", "Without a token this registry takes no writes from a web page.");
}

/** SHA-256. */
export function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
