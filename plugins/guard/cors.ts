import * as v from "valibot";
import {
  definePlugin,
  type Exchange,
  type HeaderRecord,
  type Plugin,
  ProxyError,
  type Reply,
} from "../../core/index.ts";
import { isOrigin, type OriginRule, originRule } from "./_origins.ts";

export interface CorsOptions {
  /** `"*"`, or origins such as `https://app.example.com`; `https://*.example.com` is any name below it. */
  origins: "*" | readonly string[];
  /** Methods that pages may use. @default GET, HEAD, POST, PUT, PATCH, DELETE */
  methods?: readonly string[];
  /** Request headers that pages may send. @default those that they ask for */
  headers?: readonly string[];
  /** Response headers that pages may read. @default x-request-id, retry-after, x-proxy-error */
  expose?: readonly string[];
  /** Lets pages send cookies and the like; never with `"*"`. @default false */
  credentials?: boolean;
  /** Milliseconds for which a browser may keep the answer to a preflight. @default 600000 */
  maxAge?: number;
}

interface Settings {
  readonly origins: "*" | readonly string[];
  readonly methods: readonly string[];
  readonly headers?: readonly string[] | undefined;
  readonly expose: readonly string[];
  readonly credentials: boolean;
  readonly maxAge: number;
}

const originHint = 'Expected "*" or origins such as "https://app.example.com", without a path';
const token = v.pipe(v.string(), v.regex(/^[\w!#$%&'+.^`|~-]+$/, "Expected a name as it stands in HTTP, such as GET"));

const schema: v.GenericSchema<CorsOptions, Settings> = v.pipe(
  v.strictObject({
    origins: v.union(
      [v.literal("*"), v.pipe(v.array(v.pipe(v.string(), v.check(isOrigin, originHint))), v.minLength(1))],
      originHint,
    ),
    methods: v.optional(v.array(token), ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    headers: v.optional(v.array(token)),
    expose: v.optional(v.array(token), ["x-request-id", "retry-after", "x-proxy-error"]),
    credentials: v.optional(v.boolean(), false),
    maxAge: v.optional(v.pipe(v.number(), v.minValue(0, "Expected milliseconds, 0 or more"), v.finite()), 600_000),
  } satisfies Record<keyof CorsOptions, unknown>),
  v.check(
    ({ origins, credentials }) => origins !== "*" || !credentials,
    'Expected origins by name with credentials, not "*"',
  ),
);

/**
 * Lets pages of other origins call the proxy from a browser (CORS).
 *
 * Preflights are answered here: 204, or 403 for an origin that may not. The upstream's own CORS headers are left out, and
 * all answers have those of the proxy, errors and what `keys` refuses too, so that a page can read why. It keeps browsers
 * from showing answers to pages, and nobody else from anything: for that there are `keys` and `ip`, and WebSockets are not
 * held to it at all. What core refuses before any plugin is asked, such as a broken request head, is without the headers.
 * Source: https://fetch.spec.whatwg.org/#http-cors-protocol
 *
 * @example
 * cors({ origins: ["https://app.example.com"], credentials: true });
 */
export const cors: (options: CorsOptions) => Plugin = definePlugin({
  name: "cors",
  options: schema,
  setup(_proxy, settings) {
    const rule = originRule(settings.origins);
    const preflight = createPreflight(settings);
    const exposed = settings.expose.join(", ");

    /** For whatever is answered; an upstream's head that is written later leaves them standing. */
    function mark(x: Exchange, origin: string | undefined): void {
      const { res } = x.node;
      if (rule.varies) res.setHeader("vary", "Origin");
      if (origin === undefined) return;
      res.setHeader("access-control-allow-origin", origin);
      if (settings.credentials) res.setHeader("access-control-allow-credentials", "true");
      if (exposed !== "") res.setHeader("access-control-expose-headers", exposed);
    }

    return {
      request: {
        // A preflight has no credentials, and what these refuse has to be readable.
        before: ["ip", "keys", "rate-limit"],
        handler(x) {
          const origin = allowedOrigin(rule, x.headers.origin);
          mark(x, origin);
          return isPreflight(x) ? preflight(x, origin) : undefined;
        },
      },
      upstreamResponse(_x, head) {
        const { headers } = head;
        for (const name of Object.keys(headers)) if (name.startsWith("access-control-")) delete headers[name];
        if (rule.varies) varyByOrigin(headers);
      },
    };
  },
});

/** What the answer names; undefined: the origin may not read it. */
function allowedOrigin(rule: OriginRule, origin: string | undefined): string | undefined {
  if (!rule.varies) return "*";
  return origin !== undefined && rule.allows(origin) ? origin : undefined;
}

function isPreflight({ method, headers }: Exchange): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined;
}

function createPreflight({ methods, headers, maxAge }: Settings): (x: Exchange, origin: string | undefined) => Reply {
  const fixed = {
    "access-control-allow-methods": methods.join(", "),
    "access-control-max-age": String(Math.floor(maxAge / 1_000)),
  };
  const listed = headers?.join(", ");
  return (x, origin) => {
    if (origin === undefined) {
      x.notes?.push("cors: the origin may not call from a browser");
      throw new ProxyError("forbidden", "Pages of this origin may not call this address.");
    }
    const names = listed ?? askedHeaders(x.headers["access-control-request-headers"]);
    const vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    return {
      status: 204,
      headers: { ...fixed, vary, ...(names !== "" && { "access-control-allow-headers": names }) },
    };
  };
}

/** What is no list of names is not given back. */
function askedHeaders(asked: unknown): string {
  return typeof asked === "string" && /^[\w!#$%&'*+.^`|~, -]*$/.test(asked) ? asked : "";
}

function varyByOrigin(headers: HeaderRecord): void {
  const vary = headers["vary"];
  if (vary === undefined) headers["vary"] = "Origin";
  else if (!/(?:^|[\s,])(?:origin|\*)(?:[\s,]|$)/i.test(String(vary))) headers["vary"] = `${String(vary)}, Origin`;
}
