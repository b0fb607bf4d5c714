import { type ErrorCode, isProxyError, ProxyError } from "../errors.ts";

function codeOf(error: Error): string {
  const { code, cause } = error as Error & { code?: string; cause?: { code?: string } };
  return code ?? cause?.code ?? "";
}

/** Why no connection came about. The request was not sent. */
export function connectFault(error: Error, target: string): ProxyError {
  if (isProxyError(error)) return error;
  const [code, message] = connectKind(codeOf(error));
  return new ProxyError(code, message, { target, phase: "connect", cause: error });
}

function connectKind(code: string): [ErrorCode, string] {
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "EAI_FAIL")
    return ["dns_error", "The upstream's name could not be resolved."];
  if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "ETIMEDOUT")
    return ["connect_timeout", "The upstream did not take the connection in time."];
  if (code === "EMFILE" || code === "ENFILE" || code === "EADDRNOTAVAIL")
    return ["overloaded", "The proxy has no connection to spare."];
  if (/CERT|SSL|TLS|ALTNAME|SIGNATURE/.test(code))
    return ["tls_error", "The upstream's TLS could not be trusted or understood."];
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED")
    return ["internal_error", "The request could not be sent."];
  return ["connect_failed", "The upstream could not be reached."];
}

/** Why a response broke, before its head or (`begun`) after. */
export function responseFault(error: Error, target: string, begun: boolean): ProxyError {
  const code = codeOf(error);
  const protocol =
    error.name === "HTTPParserError" ||
    code === "ERR_ASSERTION" || // undici's parser, on a status or an upgrade that cannot be
    code === "UND_ERR_HEADERS_OVERFLOW" ||
    (!begun && code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH") ||
    /^bad (?:response|upgrade)/.test(error.message);
  const options = { target, phase: begun ? "relay" : "send", retryable: !begun, cause: error };
  if (protocol) return new ProxyError("upstream_protocol", "The upstream did not answer in proper HTTP.", options);
  return new ProxyError(
    "upstream_reset",
    begun ? "The upstream broke off its answer." : "The upstream closed the connection without an answer.",
    options,
  );
}
