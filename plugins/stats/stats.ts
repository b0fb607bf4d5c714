import * as v from "valibot";
import { definePlugin, type Plugin } from "../../core/index.ts";
import { createCounters, type Usage } from "./_counters.ts";
import { toHealth, toReady, toServices, toTargetCounts } from "./_views.ts";

export interface StatsOptions {
  /** Comes before each path, for upstreams that have a `/health` of their own to be reached. @default "" */
  prefix?: string;
  /** The clock, in milliseconds since 1970. @default Date.now */
  now?: () => number;
}

interface Settings {
  readonly prefix: string;
  readonly now: () => number;
}

const schema: v.GenericSchema<StatsOptions, Settings> = v.strictObject({
  prefix: v.optional(v.pipe(v.string(), v.regex(/^(\/[^/\s?#]+)*$/, "Expected a path such as /_proxy, or none")), ""),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that tells the time"),
    () => Date.now,
  ),
} satisfies { [K in keyof Required<StatsOptions>]: v.GenericSchema<StatsOptions[K], unknown> });

/** Routes, and models, that are counted by name; those that come later are counted as `other`. */
const namesCounted = 1_000;

/**
 * Serves `/health`, `/ready`, `/stats` and `/services`, and counts what passes.
 *
 * `/health` is 200 for as long as the process answers, whatever the targets do: a restart would not mend them.
 * `/ready` is 503 while the proxy drains or a pool has no available target. `/stats` holds totals, latency percentiles,
 * tokens, counts by route and model, and the listeners; `/services` each target with its verdicts. All counts live as long
 * as the proxy, over reloads; a plugin that comes with a reload counts from there, which is `since`. All four pass the
 * `request` gates, so that an auth plugin guards them too. They never show a target's `meta`.
 *
 * @example
 * stats({ prefix: "/_proxy" });
 */
export const stats: (options?: StatsOptions) => Plugin = definePlugin({
  name: "stats",
  options: schema,
  setup(proxy, { prefix, now }) {
    const since = proxy.keep("since", now);
    const usage = proxy.slot<Usage>("usage");
    const counters = proxy.keep("counters", () => createCounters(namesCounted));

    proxy.route("GET", `${prefix}/health`, () => json(toHealth(proxy.pools(), proxy.status(), now())));
    proxy.route("GET", `${prefix}/ready`, () => {
      const view = toReady(proxy.pools(), proxy.status());
      return json(view, view.ready ? 200 : 503);
    });
    proxy.route("GET", `${prefix}/services`, () => json({ services: toServices(proxy.pools()) }));
    proxy.route("GET", `${prefix}/stats`, () => {
      const { generation, active, startedAt, listeners } = proxy.status();
      const state = { generation, uptime: now() - startedAt, since: new Date(since).toISOString(), active, listeners };
      return json({ ...state, ...counters.view(), targets: toTargetCounts(proxy.pools()) });
    });

    return {
      end(x, outcome) {
        counters.count(x, outcome, usage.get(x));
        return undefined;
      },
    };
  },
});

function json(view: object, status = 200): Response {
  return Response.json(view, { status, headers: { "cache-control": "no-store" } });
}
