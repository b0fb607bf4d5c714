import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

type Asking = Pick<IncomingMessage, "headers" | "socket">;

/** What tells that a request does not come from this machine and for itself. */
export type Stranger = "address" | "forwarded" | "host" | "page";

/** The first that tells so; undefined: none does, and who asks could as well read the files here. */
export function strangerOf(req: Asking): Stranger | undefined {
  if (!isLoopback(peerOf(req))) return "address";
  // The address is that of another proxy, and whose word it passes on is not known.
  if (isForwarded(req)) return "forwarded";
  if (!namesLoopback(req)) return "host";
  return isForeignPage(req) ? "page" : undefined;
}

/** The address at the other end; empty where it is not known, such as that of a client that left already. */
export function peerOf({ socket }: Pick<Asking, "socket">): string {
  // What srvx gives to a request that was made in this process.
  if (socket.remoteAddress === "") return "127.0.0.1";
  return (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, "");
}

export function isLoopback(address: string): boolean {
  return address === "::1" || /^(?:::ffff:)?127\./u.test(address);
}

/** Another proxy says that it passes a request on. */
export function isForwarded({ headers }: Pick<Asking, "headers">): boolean {
  return headers["x-forwarded-for"] !== undefined || headers["forwarded"] !== undefined;
}

/** A page in a browser of this machine comes from here as well, by a name of its own that was made to lead here. */
export function namesLoopback({ headers }: Pick<Asking, "headers">): boolean {
  return isLoopbackHost((headers.host ?? "").replace(/:\d+$/u, ""));
}

/** Without a port. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/gu, "");
  return bare.toLowerCase() === "localhost" || (isIP(bare) !== 0 && isLoopback(bare));
}

/** Browsers send a page's requests to anyone; what says where it comes from is theirs to set. */
export function isForeignPage({ headers }: Pick<Asking, "headers">): boolean {
  const { origin, host } = headers;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  return origin !== undefined && /^https?:\/\/(.+)$/iu.exec(origin)?.[1] !== host;
}

/** Makes a test of whether a request shows the token, as `Authorization: Bearer TOKEN`. */
export function tokenCheck(token: string): (req: Pick<Asking, "headers">) => boolean {
  const wanted = digest(token);
  return ({ headers }) => {
    const given = /^bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
    // Digests are as long as each other, whatever was given, and take as long to compare.
    return given !== undefined && timingSafeEqual(digest(given), wanted);
  };
}

/** SHA-256. */
export function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
