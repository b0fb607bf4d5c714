/** What becomes of a client's header, by its name. */
export type HeaderUse =
  | "forward"
  /** Hop-by-hop, framing, or core's own. */
  | "drop"
  /** Forwarded, but two of them are two truths: 400. */
  | "single"
  | "host"
  | "content-length"
  | "transfer-encoding"
  | "connection"
  | "te"
  | "upgrade"
  | "via"
  /** Believed only from a trusted proxy. */
  | "forwarded"
  | "request-id";

export interface HeaderName {
  readonly name: string;
  readonly use: HeaderUse;
}

const uses: Readonly<Record<string, HeaderUse>> = {
  host: "host",
  "content-length": "content-length",
  "transfer-encoding": "transfer-encoding",
  connection: "connection",
  te: "te",
  upgrade: "upgrade",
  via: "via",
  authorization: "single",
  "content-type": "single",
  "x-forwarded-for": "forwarded",
  "x-forwarded-proto": "forwarded",
  "x-forwarded-host": "forwarded",
  "x-forwarded-port": "forwarded",
  "x-real-ip": "forwarded",
  forwarded: "forwarded",
  "x-request-id": "request-id",
  expect: "drop",
  "http2-settings": "drop",
  "keep-alive": "drop",
  "proxy-authenticate": "drop",
  "proxy-authorization": "drop",
  "proxy-connection": "drop",
  trailer: "drop",
};

const known: Map<string, HeaderName> = new Map();

/** Looks a header name up in any spelling of case; remembers the first thousand, so that usual ones cost one look-up. */
export function headerName(raw: string): HeaderName {
  const hit = known.get(raw);
  if (hit !== undefined) return hit;
  const name = raw.toLowerCase();
  const entry: HeaderName = { name, use: useOf(name) };
  if (known.size < 1_000 && name.length <= 64) known.set(raw, entry);
  return entry;
}

function useOf(name: string): HeaderUse {
  if (Object.hasOwn(uses, name)) return uses[name] as HeaderUse;
  // `x_user` and `x-user` become one name in CGI-like upstreams; `x-plugboard-*` is what plugins tell each other.
  return name.includes("_") || name.startsWith("x-plugboard-") ? "drop" : "forward";
}

/** Names that a client's Connection header cannot take away: without them the request means something else. */
const kept: ReadonlySet<string> = new Set([
  "authorization",
  "content-type",
  "content-encoding",
  "cookie",
  "accept",
  "idempotency-key",
]);

/** The names in a Connection header that may be removed; undefined when it names none. */
export function connectionOptions(value: string): Set<string> | undefined {
  if (value === "keep-alive" || value === "close" || value === "Keep-Alive" || value === "Upgrade") return undefined;
  const names = value
    .toLowerCase()
    .split(",")
    .map((token) => token.trim());
  const removable = names.filter((name) => name !== "" && name !== "close" && name !== "keep-alive" && !kept.has(name));
  return removable.length === 0 ? undefined : new Set(removable);
}
