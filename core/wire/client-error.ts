import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type ErrorCode, ProxyError } from "../errors.ts";
import { errorHeaders } from "../exchange/error-reply.ts";
import { lastWord } from "./connection.ts";

interface ParseError extends Error {
  readonly code?: string;
  readonly rawPacket?: Buffer;
}

/** Answers what Node's parser refused, with a status that reaches the client. */
export function onClientError(error: ParseError, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  lastWord(socket, toResponse(toProxyError(error)));
}

function toProxyError(error: ParseError): ProxyError {
  const code = codeOf(error);
  const text: Partial<Record<ErrorCode, string>> = {
    headers_too_large: "The request head is too large.",
    url_too_long: "The request target is too long.",
    request_timeout: "The request did not arrive in time.",
    version_not_supported: "Only HTTP/1.0 and HTTP/1.1 are spoken here.",
  };
  return new ProxyError(code, text[code] ?? "The request is not proper HTTP.");
}

function codeOf({ code, rawPacket }: ParseError): ErrorCode {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "request_timeout";
  if (code === "HPE_INVALID_VERSION") return "version_not_supported";
  if (code !== "HPE_HEADER_OVERFLOW") return "invalid_request";
  // One limit covers request line and headers in the parser: a first packet without a line end overflowed in its URL.
  return rawPacket !== undefined && rawPacket.indexOf("\n") === -1 && /^[A-Z]+ \S/.test(rawPacket.toString("latin1", 0, 16))
    ? "url_too_long"
    : "headers_too_large";
}

/** A response for a socket that no longer has a parser. */
export function toResponse(error: ProxyError): string {
  const body = JSON.stringify({ error: { message: error.message, code: error.code } });
  const headers = { ...errorHeaders(error), "content-length": String(Buffer.byteLength(body)), connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ""}\r\n${lines.join("")}\r\n${body}`;
}
