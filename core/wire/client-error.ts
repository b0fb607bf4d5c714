import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type ErrorCode, ProxyError } from "../errors.ts";
import { errorHeaders, errorReply } from "../exchange/error-reply.ts";
import { newId } from "../exchange/exchange.ts";
import { fail } from "../exchange/respond.ts";
import { endAfterExchanges, isEnding, unfinished } from "./connection.ts";

interface ParseError extends Error {
  readonly code?: string;
  readonly rawPacket?: Buffer;
}

/** Answers what Node's parser refused, with a status that reaches the client. */
export function onClientError(error: ParseError, socket: Duplex, urlLimit: number): void {
  if (isEnding(socket)) return;
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const fault = toProxyError(error, urlLimit);
  // A body that breaks off its framing belongs to an exchange: that is what fails.
  const x = unfinished(socket);
  if (x === undefined) return endAfterExchanges(socket, toResponse(fault));
  if (error.code === "HPE_INVALID_EOF_STATE") return void socket.destroy(); // Not a fault: the client left.
  x.broken = true;
  x.res.shouldKeepAlive = false;
  if (x.current === undefined || x.current.state === "done") fail(x, fault);
  else x.current.stop("local", fault, false);
}

function toProxyError(error: ParseError, urlLimit: number): ProxyError {
  const code = codeOf(error, urlLimit);
  const text: Partial<Record<ErrorCode, string>> = {
    headers_too_large: "The request head is too large.",
    url_too_long: "The request target is too long.",
    method_not_allowed: "This method is not allowed here.",
    request_timeout: "The request did not arrive in time.",
    version_not_supported: "Only HTTP/1.0 and HTTP/1.1 are spoken here.",
  };
  return new ProxyError(code, text[code] ?? "The request is not proper HTTP.");
}

/** A request line whose method alone is unknown to the parser, such as TRACK. */
const wellFormed = /^[A-Z]+ [!-~]+ HTTP\/1\.[01]\r\n/;

const newer = /^[A-Z]+ [!-~]+ HTTP\/[2-9]/;

function codeOf({ code, rawPacket }: ParseError, urlLimit: number): ErrorCode {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "request_timeout";
  if (code === "HPE_INVALID_METHOD" && rawPacket !== undefined && wellFormed.test(rawPacket.toString("latin1", 0, 256)))
    return "method_not_allowed";
  if (code === "HPE_INVALID_VERSION" && rawPacket !== undefined && newer.test(rawPacket.toString("latin1", 0, 256)))
    return "version_not_supported";
  if (code !== "HPE_HEADER_OVERFLOW") return "invalid_request";
  // One limit covers request line and headers in the parser: what overflowed in its first line did so in its URL.
  const line = rawPacket?.indexOf("\n") ?? 0;
  const inUrl = rawPacket !== undefined && /^[A-Z]+ \S/.test(rawPacket.toString("latin1", 0, 16));
  return inUrl && (line === -1 || line > urlLimit) ? "url_too_long" : "headers_too_large";
}

/** A response for a socket that no longer has a parser. */
export function toResponse(error: ProxyError): string {
  const { body = "" } = errorReply({ id: newId() }, error);
  const headers = { ...errorHeaders(error), "content-length": String(Buffer.byteLength(body)), connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ""}\r\n${lines.join("")}\r\n${body as string}`;
}
