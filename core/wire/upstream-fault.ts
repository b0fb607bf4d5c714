import { type ErrorCode, isProxyError, ProxyError } from "../errors.ts";
import { areDescriptorsUsedUp, isShortage, shortages } from "./descriptors.ts";

interface SystemError extends Error {
  readonly code?: string;
  readonly cause?: SystemError;
  /** Of each address of a name. */
  readonly errors?: readonly SystemError[];
}

function codeOf(error: Error): string {
  const { code, cause, errors } = error as SystemError;
  // Where IPv6 is switched off, an address of it is not available, and says nothing of the others.
  const telling = errors?.find((each) => !isShortage(String(each.code)));
  return telling?.code ?? code ?? cause?.code ?? "";
}

/** Of OpenSSL and of X.509; EPROTO is what is no TLS at all. */
const tlsCode = /CERT|SSL|TLS|ALTNAME|SIGNATURE|EPROTO|^INVALID_(?:CA|PURPOSE)$|PATH_LENGTH|HOSTNAME_MISMATCH|^CRL_/;

/** What a plugin made of the request cannot be written. */
const unsendable: ReadonlySet<string> = new Set([
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
  "ERR_INVALID_CHAR",
  "ERR_INVALID_HTTP_TOKEN",
]);

/** Of a request that the upstream has not looked at (RFC 9113 8.7): sending it again does nothing twice. */
export const refusedStream = "REFUSED_STREAM";

/** Why no connection came about. The request was not sent. */
export function connectFault(error: Error, target: string): ProxyError {
  if (isProxyError(error)) return error;
  const [code, message] = connectKind(toShortage(codeOf(error)));
  return new ProxyError(code, message, { target, phase: "connect", cause: error });
}

/** A resolver that can open no socket says that the name servers do not answer. */
function toShortage(code: string): string {
  const found = code.startsWith("EAI_") && areDescriptorsUsedUp() ? "EMFILE" : code;
  if (isShortage(found)) {
    shortages.count += 1;
    shortages.last = found;
  }
  return found;
}

function connectKind(code: string): [ErrorCode, string] {
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "EAI_FAIL")
    return ["dns_error", "The upstream's name could not be resolved."];
  if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "ETIMEDOUT")
    return ["connect_timeout", "The upstream did not take the connection in time."];
  if (isShortage(code)) return ["overloaded", "The proxy has no connection to spare."];
  if (tlsCode.test(code)) return ["tls_error", "The upstream's TLS could not be trusted or understood."];
  if (unsendable.has(code)) return ["internal_error", "The request could not be sent."];
  return ["connect_failed", "The upstream could not be reached."];
}

/** Why a response broke, before its head or (`begun`) after. */
export function responseFault(error: Error, target: string, begun: boolean): ProxyError {
  const code = codeOf(error);
  // In TLS 1.3 the client is done before the server has looked at its certificate.
  if (!begun && /^ERR_SSL_.*ALERT/.test(code)) return connectFault(error, target);
  if (!begun && code === refusedStream) {
    const text = "The upstream refused the request before it looked at it.";
    return new ProxyError("upstream_reset", text, { target, phase: "connect", retryable: true, cause: error });
  }
  const options = { target, phase: begun ? "relay" : "send", retryable: !begun, cause: error };
  if (isNoHttp(error, code, begun))
    return new ProxyError("upstream_protocol", "The upstream did not answer in proper HTTP.", options);
  return new ProxyError(
    "upstream_reset",
    begun ? "The upstream broke off its answer." : "The upstream closed the connection without an answer.",
    options,
  );
}

function isNoHttp(error: Error, code: string, begun: boolean): boolean {
  return (
    error.name === "HTTPParserError" ||
    code === "ERR_ASSERTION" || // undici's parser, on a status or an upgrade that cannot be
    code === "UND_ERR_HEADERS_OVERFLOW" ||
    (!begun && code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH") ||
    /^bad (?:response|upgrade)/.test(error.message)
  );
}
