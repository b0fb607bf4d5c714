import { validateHeaderName, validateHeaderValue } from "node:http";
import { type OutgoingHttpHeaders, sensitiveHeaders } from "node:http2";
import type { HeaderRecord } from "../contract/exchange.ts";
import type { AttemptRequest } from "./upstream-request.ts";

/** Of a connection, which HTTP/2 keeps in frames (RFC 9113 8.2.2); the host becomes `:authority`. */
const notSent: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Kept out of the compression that all requests of a connection share (RFC 7541 7.1). */
const secrets = ["authorization", "cookie", "api-key", "x-api-key", "x-goog-api-key"];

const methodsWithBody: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** The head of a request; `length` is that of a streamed body, -1 for none. Throws for what cannot be sent. */
export function toHttp2Headers(request: AttemptRequest, authority: string, length: number): OutgoingHttpHeaders {
  const { method, path, body } = request;
  validateHeaderName(method);
  if (/[^\u0021-\u00ff]/.test(path))
    throw Object.assign(new Error("the path cannot be sent"), { code: "ERR_INVALID_CHAR" });
  const headers: OutgoingHttpHeaders = Object.create(null);
  headers[":method"] = method;
  headers[":scheme"] = "https";
  headers[":authority"] = authority;
  headers[":path"] = path;
  const fields = request.toSend(length);
  if (Array.isArray(fields)) addPairs(headers, fields);
  else addRecord(headers, fields);
  if (body !== "stream" && (body !== null || methodsWithBody.has(method)))
    headers["content-length"] = String(body?.byteLength ?? 0);
  Object.defineProperty(headers, sensitiveHeaders, { value: secrets });
  return headers;
}

function addPairs(headers: OutgoingHttpHeaders, pairs: readonly string[]): void {
  for (let i = 0; i < pairs.length; i += 2) add(headers, pairs[i] as string, pairs[i + 1] as string);
}

function addRecord(headers: OutgoingHttpHeaders, record: HeaderRecord): void {
  for (const [name, value] of Object.entries(record)) {
    if (Array.isArray(value)) for (const one of value) add(headers, name.toLowerCase(), one);
    else if (value !== undefined) add(headers, name.toLowerCase(), value);
  }
}

function add(headers: OutgoingHttpHeaders, name: string, value: string): void {
  if (notSent.has(name)) return;
  // Node joins the fields with NUL: what has one in it would be two.
  validateHeaderName(name);
  validateHeaderValue(name, value);
  if (name === "host") {
    headers[":authority"] = value;
    return;
  }
  const before = headers[name];
  headers[name] = before === undefined ? value : `${String(before)}${name === "cookie" ? "; " : ", "}${value}`;
}
