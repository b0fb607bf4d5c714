/** Where a fault began. */
export type ErrorSource = "client" | "proxy" | "upstream";

export type ErrorCode =
  | "invalid_request"
  | "invalid_host"
  | "invalid_path"
  | "duplicate_header"
  | "invalid_json"
  | "invalid_model"
  | "ambiguous_model"
  | "unauthorized"
  | "forbidden"
  | "route_not_found"
  | "model_not_found"
  | "model_disabled"
  | "method_not_allowed"
  | "request_timeout"
  | "body_too_large"
  | "url_too_long"
  | "unsupported_encoding"
  | "expectation_failed"
  | "rate_limited"
  | "headers_too_large"
  | "client_closed"
  | "plugin_error"
  | "internal_error"
  | "version_not_supported"
  | "no_targets"
  | "cooling_down"
  | "overloaded"
  | "draining"
  | "prefill_failed"
  | "connect_failed"
  | "dns_error"
  | "tls_error"
  | "connect_timeout"
  | "upstream_reset"
  | "upstream_protocol"
  | "upstream_timeout"
  | "total_timeout"
  | "stream_idle"
  | "tunnel_idle"
  | "write_stalled";

export interface ErrorKind {
  readonly status: number;
  readonly source: ErrorSource;
  /** Another target may do better. */
  readonly retryable: boolean;
  /** Envoy's response flags: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage */
  readonly flag: string;
}

const client = (status: number, flag = "DPE"): ErrorKind => ({ status, source: "client", flag, retryable: false });
const proxy = (status: number, flag = "-", retryable = false): ErrorKind => ({
  status,
  source: "proxy",
  flag,
  retryable,
});
const upstream = (status: number, flag: string, retryable = true): ErrorKind => ({
  status,
  source: "upstream",
  flag,
  retryable,
});

/** The one table from code to status. 499 is only logged, never sent. */
export const errorKinds: Readonly<Record<ErrorCode, ErrorKind>> = {
  invalid_request: client(400),
  invalid_host: client(400),
  invalid_path: client(400),
  duplicate_header: client(400),
  invalid_json: client(400),
  invalid_model: client(400),
  ambiguous_model: client(400),
  unauthorized: client(401, "UAEX"),
  forbidden: client(403, "UAEX"),
  route_not_found: client(404, "NR"),
  model_not_found: client(404, "NR"),
  model_disabled: client(404, "NR"),
  method_not_allowed: client(405),
  request_timeout: client(408),
  body_too_large: client(413),
  url_too_long: client(414),
  unsupported_encoding: client(415),
  expectation_failed: client(417),
  rate_limited: client(429, "RL"),
  headers_too_large: client(431),
  client_closed: client(499, "DC"),
  plugin_error: proxy(500),
  internal_error: proxy(500),
  version_not_supported: client(505),
  no_targets: proxy(503, "UH"),
  cooling_down: proxy(503, "UH"),
  overloaded: proxy(503, "OM"),
  draining: proxy(503, "DR"),
  prefill_failed: proxy(502, "UF", true),
  connect_failed: upstream(502, "UF"),
  dns_error: upstream(502, "UF"),
  tls_error: upstream(502, "UF"),
  connect_timeout: upstream(504, "UF"),
  upstream_reset: upstream(502, "UC"),
  upstream_protocol: upstream(502, "UPE"),
  upstream_timeout: upstream(504, "UT"),
  total_timeout: proxy(504, "UT"),
  stream_idle: upstream(504, "SI", false),
  // Either side may be the one that has nothing to say.
  tunnel_idle: client(408, "SI"),
  write_stalled: client(499, "SI"),
};

export interface ProxyErrorOptions {
  phase?: string;
  retryable?: boolean;
  plugin?: string;
  target?: string;
  /** Seconds after which it is worth another try. @default 1 where the status allows it */
  retryAfter?: number;
  cause?: unknown;
}

/** Every fault that core tells of; told apart by `code`. The message is meant for the client, the cause never is. */
export class ProxyError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly source: ErrorSource;
  /** Response flag for logs, such as `UH` or `UC`. */
  readonly flag: string;
  readonly phase: string;
  readonly retryable: boolean;
  readonly plugin: string | undefined;
  readonly target: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, options: ProxyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const kind = errorKinds[code];
    this.name = "ProxyError";
    this.code = code;
    this.status = kind.status;
    this.source = kind.source;
    this.flag = kind.flag;
    this.phase = options.phase ?? "";
    this.retryable = options.retryable ?? kind.retryable;
    this.plugin = options.plugin;
    this.target = options.target;
    this.retryAfter = options.retryAfter;
  }
}

/** By name and code, so that an error of another copy of this package is known too. */
export function isProxyError(error: unknown): error is ProxyError {
  return error instanceof Error && error.name === "ProxyError" && "code" in error;
}

/** What was thrown, in words. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
