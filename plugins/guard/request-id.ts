import * as v from "valibot";
import { definePlugin, type Exchange, type Plugin } from "../../core/index.ts";

export interface RequestIdOptions {
  /** Where it is sent and read. @default "x-request-id" */
  header?: string;
  /** Takes the client's own, if it is well-formed: at most 128 letters, digits and `-_.:+/=@`. @default false */
  trust?: boolean;
  /** Makes one; it has to be as well-formed. @default the id of the exchange, which the log and errors show */
  generate?: (x: Exchange) => string;
}

interface Settings {
  readonly header: string;
  readonly trust: boolean;
  readonly generate?: ((x: Exchange) => string) | undefined;
}

/** What these say is not for a plugin to change. */
const taken: ReadonlySet<string> = new Set([
  "authorization",
  "connection",
  "content-length",
  "content-type",
  "cookie",
  "date",
  "expect",
  "host",
  "keep-alive",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
]);

const schema: v.GenericSchema<RequestIdOptions, Settings> = v.strictObject({
  header: v.optional(
    v.pipe(
      v.string(),
      v.toLowerCase(),
      v.check((name) => /^[a-z0-9-]+$/.test(name) && !taken.has(name), "Expected a header such as x-request-id"),
    ),
    "x-request-id",
  ),
  trust: v.optional(v.boolean(), false),
  generate: v.optional(
    v.custom<(x: Exchange) => string>((value) => typeof value === "function", "Expected a function that makes an id"),
  ),
} satisfies Record<keyof RequestIdOptions, unknown>);

/**
 * Gives each request one id, for the upstream, the client and the log.
 *
 * All attempts of a request carry the same; what an upstream answers in its place is left out, and errors have it too. Other
 * plugins find it in the slot `requestId`. Let clients name it (`trust`) only where they are your own services: whoever
 * may choose an id can make two requests look like one.
 *
 * @example
 * requestId({ header: "x-correlation-id", trust: true });
 */
export const requestId: (options?: RequestIdOptions) => Plugin = definePlugin({
  name: "request-id",
  options: schema,
  setup(proxy, { header, trust, generate }) {
    const slot = proxy.slot<string>("requestId");
    return {
      request: {
        // So that what they refuse has it, too.
        before: ["cors", "ip", "keys", "rate-limit"],
        handler(x) {
          const given = trust ? x.headers[header] : undefined;
          const id = isId(given) ? given : made(generate, x);
          slot.set(x, id);
          x.node.res.setHeader(header, id);
        },
      },
      upstreamRequest(x) {
        const id = slot.get(x);
        if (id !== undefined) x.upstream.headers[header] = id;
      },
      upstreamResponse(_x, head) {
        delete head.headers[header];
      },
    };
  },
});

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[\w.:+/=@-]{1,128}$/.test(value);
}

function made(generate: Settings["generate"], x: Exchange): string {
  if (generate === undefined) return x.id;
  const id: unknown = generate(x);
  if (isId(id)) return id;
  throw new TypeError("generate made no id: it has to return 1 to 128 letters, digits and -_.:+/=@");
}
