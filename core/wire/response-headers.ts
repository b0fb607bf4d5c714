import type { HeaderRecord } from "../contract/exchange.ts";

// RFC 9110 7.6.1, what older senders treat alike, and framing: each connection has its own.
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "alt-svc",
]);

const via = "1.1 plugboard";

/** Never in trailers: RFC 9110 6.5.1. */
const notInTrailers: ReadonlySet<string> = new Set([
  ...hopByHop,
  "authorization",
  "cache-control",
  "content-encoding",
  "content-range",
  "content-type",
  "host",
  "set-cookie",
  "trailer",
  "www-authenticate",
]);

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** The end-to-end headers of an upstream's response, in their order, with our Via. */
export function endToEnd(headers: Headers): HeaderRecord {
  const kept: HeaderRecord = Object.create(null);
  const { connection } = headers;
  const named =
    connection === undefined || connection === "close" || connection === "keep-alive" ? undefined : tokens(connection);
  for (const name of Object.keys(headers)) {
    if (hopByHop.has(name) || named?.has(name) === true) continue;
    kept[name] = headers[name];
  }
  const before = kept["via"];
  kept["via"] = before === undefined ? via : `${String(before)}, ${via}`;
  return kept;
}

/** Bytes of body the head promises; -1 when it does not say. */
export function contentLength(headers: Headers): number {
  const value = headers["content-length"];
  return typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : -1;
}

export function trailersToSend(trailers: Headers): [string, string][] {
  return Object.entries(trailers).flatMap(([name, value]) => {
    if (value === undefined || notInTrailers.has(name)) return [];
    return (Array.isArray(value) ? value : [value]).map((one): [string, string] => [name, one]);
  });
}

function tokens(value: string | string[]): Set<string> {
  return new Set(
    String(value)
      .toLowerCase()
      .split(",")
      .map((token) => token.trim()),
  );
}
