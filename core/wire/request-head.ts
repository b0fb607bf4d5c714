import { ProxyError } from "../errors.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import { isHost } from "./host.ts";
import { pathFault } from "./path.ts";
import { connectionOptions, headerName } from "./request-headers.ts";

export interface HeadLimits {
  readonly url: number;
  readonly headerCount: number;
}

/**
 * Reads the head of a request into its exchange: one pass over the raw headers, hop-by-hop and framing left out.
 * Returns what is wrong with it; Node's parser has already refused what breaks the grammar.
 */
export function readHead(x: ActiveExchange, limits: HeadLimits): ProxyError | undefined {
  const { req } = x;
  const raw = req.rawHeaders;
  if (req.httpVersion !== "1.1" && req.httpVersion !== "1.0") {
    const code = req.httpVersionMajor > 1 ? "version_not_supported" : "invalid_request";
    return new ProxyError(code, "Only HTTP/1.0 and HTTP/1.1 are spoken here.");
  }
  if (raw.length > limits.headerCount * 2) {
    return new ProxyError("headers_too_large", `More than ${limits.headerCount} header lines.`);
  }
  let connection: string | undefined;
  let single = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const value = raw[i + 1] as string;
    const { name, use } = headerName(raw[i] as string);
    switch (use) {
      case "forward":
        x.pairs.push(name, value);
        break;
      case "drop":
        break;
      case "single": {
        const bit = name === "authorization" ? 1 : 2;
        if ((single & bit) !== 0)
          return new ProxyError("duplicate_header", `Header ${name} stands twice in the request.`);
        single |= bit;
        if (bit === 2) x.contentType = value;
        x.pairs.push(name, value);
        break;
      }
      case "host":
        if (x.host !== "" || !isHost(value))
          return new ProxyError("invalid_host", "The Host header is not one host name.");
        x.host = value;
        break;
      case "content-length":
        x.contentLength = Number(value);
        break;
      case "transfer-encoding":
        if (x.chunked || value.toLowerCase() !== "chunked" || req.httpVersionMinor === 0) {
          return new ProxyError("invalid_request", 'Transfer-Encoding must be a single "chunked".');
        }
        x.chunked = true;
        break;
      case "connection":
        connection = connection === undefined ? value : `${connection},${value}`;
        break;
      case "te":
        if (value.toLowerCase().includes("trailers")) x.wantsTrailers = true;
        break;
      case "upgrade":
        x.upgradeTo = value.toLowerCase();
        break;
      case "via":
        x.via = x.via === "" ? value : `${x.via}, ${value}`;
        break;
      case "forwarded":
        (x.forwarded ??= []).push(name, value);
        break;
      case "request-id":
        x.requestId = value;
        break;
    }
  }
  if (connection !== undefined) dropNamed(x, connection);
  return readTarget(x, limits);
}

function dropNamed(x: ActiveExchange, connection: string): void {
  const named = connectionOptions(connection);
  if (named === undefined) return;
  const { pairs } = x;
  let kept = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    if (named.has(pairs[i] as string)) continue;
    pairs[kept++] = pairs[i] as string;
    pairs[kept++] = pairs[i + 1] as string;
  }
  pairs.length = kept;
}

function readTarget(x: ActiveExchange, limits: HeadLimits): ProxyError | undefined {
  const { method } = x;
  let url = x.req.url as string;
  if (url.length > limits.url)
    return new ProxyError("url_too_long", `The request target is longer than ${limits.url} bytes.`);
  if (method === "TRACE" || method === "TRACK" || method === "CONNECT") {
    return new ProxyError("method_not_allowed", `Method ${method} is not allowed here.`);
  }
  if (url.charCodeAt(0) !== 47 /* / */) {
    if (url === "*" && method === "OPTIONS") {
      x.path = "*";
      return undefined;
    }
    const origin = absoluteForm(url, x.host);
    if (origin === undefined)
      return new ProxyError("invalid_path", "The request target is neither a path nor a URL of this host.");
    url = url.slice(origin.length);
    if (url === "" || url.startsWith("?")) url = `/${url}`;
    x.req.url = url; // h3 matches on it, and it has to match what is forwarded.
  }
  const query = url.indexOf("?");
  x.path = query === -1 ? url : url.slice(0, query);
  x.search = query === -1 ? "" : url.slice(query);
  const fault = x.search.includes("#") ? "it has a fragment" : pathFault(x.path);
  return fault === undefined ? undefined : new ProxyError("invalid_path", `The request path is ambiguous: ${fault}.`);
}

/** `http://host` of an absolute-form target whose authority is the Host header: two hosts would be two truths. */
function absoluteForm(url: string, host: string): string | undefined {
  const origin = /^https?:\/\/([^/?#]+)/i.exec(url);
  return origin !== null && host !== "" && origin[1]?.toLowerCase() === host.toLowerCase() ? origin[0] : undefined;
}
