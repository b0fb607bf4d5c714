import * as v from "valibot";
import { definePlugin, type Exchange, type Plugin } from "../../core/index.ts";

export type RoutingHeader = "target" | "attempts" | "route" | "alias";

export interface RoutingHeadersOptions {
  /** Which of them are sent. @default all */
  show?: readonly RoutingHeader[];
}

const all: readonly RoutingHeader[] = ["target", "attempts", "route", "alias"];

const schema: v.GenericSchema<RoutingHeadersOptions, Required<RoutingHeadersOptions>> = v.strictObject({
  show: v.optional(v.array(v.picklist(all)), () => [...all]),
} satisfies Record<keyof RoutingHeadersOptions, unknown>);

/**
 * Tells the client in `x-plugboard-*` headers where its request went.
 *
 * `x-plugboard-target` is the id of the target that answered, `-attempts` how many were made, `-route` the route and
 * `-alias` the alias behind the name that was asked for. For debugging and for clients that count; not for a public
 * proxy, because ids say something of what is behind it. Errors that follow an attempt have them too.
 *
 * @example
 * routingHeaders({ show: ["attempts", "alias"] });
 */
export const routingHeaders: (options?: RoutingHeadersOptions) => Plugin = definePlugin({
  name: "routing-headers",
  options: schema,
  setup(_proxy, { show }) {
    return {
      upstreamResponse(x, head) {
        for (const name of show) {
          const value = values[name](x);
          if (value === undefined) delete head.headers[`x-plugboard-${name}`];
          else head.headers[`x-plugboard-${name}`] = value;
        }
      },
      error: {
        // Where one tells the error, those behind it are not asked.
        before: ["openai-errors"],
        handler(x) {
          if (x.attempt === 0 || x.node.res.headersSent) return;
          for (const name of show) {
            const value = values[name](x);
            if (value !== undefined) x.node.res.setHeader(`x-plugboard-${name}`, value);
          }
        },
      },
    };
  },
});

const values: Readonly<Record<RoutingHeader, (x: Exchange) => string | undefined>> = {
  target: ({ target }) => toHeader(target?.id),
  attempts: ({ attempt }) => String(attempt),
  route: ({ route }) => toHeader(route?.name),
  alias: ({ route }) => toHeader(route?.alias),
};

/** A header holds printable ASCII; names may hold more. */
function toHeader(text: string | undefined): string | undefined {
  return text === undefined || /^[\x21-\x7e]*$/.test(text) ? text : encodeURIComponent(text);
}
