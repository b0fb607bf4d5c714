import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { refusal } from "./_inference-http.ts";
import { digest, toPeer } from "./_registry-writers.ts";

export interface AccessOptions {
  readonly token?: string | undefined;
  readonly clients: "loopback" | "any";
}

/** Throws unless the client may start and stop programs here. */
export type Admit = (req: IncomingMessage) => void;

export function createAccess({ token, clients }: AccessOptions): Admit {
  if (token !== undefined) {
    const wanted = digest(token);
    return (req) => admitToken(req, wanted);
  }
  return (req) => {
    if (clients === "loopback") admitLoopback(req);
    admitPage(req);
  };
}

function admitToken({ headers }: IncomingMessage, wanted: Buffer): void {
  const given = /^bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  // Digests are as long as each other, whatever was given, and take as long to compare.
  if (given !== undefined && timingSafeEqual(digest(given), wanted)) return;
  throw refusal("unauthorized", "This takes its token: Authorization: Bearer TOKEN.");
}

function admitLoopback(req: IncomingMessage): void {
  const { headers } = req;
  if (!isLoopback(toPeer(req)))
    throw refusal("forbidden", "Only clients on this machine may use this without a token.");
  // The address is that of another proxy, and whose word it passes on is not known.
  if (headers["x-forwarded-for"] !== undefined || headers["forwarded"] !== undefined)
    throw refusal("forbidden", "Without a token this cannot be used through another proxy.");
  // A page in a browser of this machine comes from here as well, by a name of its own that was made to lead here.
  const host = (headers.host ?? "").replace(/:\d+$/u, "").replace(/^\[|\]$/gu, "");
  if (host.toLowerCase() !== "localhost" && !(isIP(host) !== 0 && isLoopback(host)))
    throw refusal("forbidden", "Without a token this is reached by localhost or a loopback address only.");
}

/** Browsers send a page's requests to anyone; what says where it comes from is theirs to set. */
function admitPage({ headers }: IncomingMessage): void {
  const { origin, host } = headers;
  const site = headers["sec-fetch-site"];
  const foreign = site !== undefined && site !== "same-origin" && site !== "none";
  if (!foreign && (origin === undefined || /^https?:\/\/(.+)$/iu.exec(origin)?.[1] === host)) return;
  throw refusal("forbidden", "Without a token this cannot be used by a page of another site.");
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^(?:::ffff:)?127\./u.test(address);
}
