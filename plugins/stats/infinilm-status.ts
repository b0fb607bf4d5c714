import * as v from "valibot";
import { definePlugin, type Plugin } from "../../core/index.ts";
import { type ServiceView, toServices } from "./_infinilm-service.ts";

export interface InfinilmStatusOptions {
  /** Of the registry that the services come from, to be shown; without credentials and query. @default none */
  registryUrl?: string;
  /** The clock, in milliseconds since 1970. @default Date.now */
  now?: () => number;
}

const schema = v.strictObject({
  registryUrl: v.optional(v.pipe(v.string(), v.url("Expected a URL such as http://127.0.0.1:18000"))),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that tells the time"),
    () => Date.now,
  ),
} satisfies { [K in keyof Required<InfinilmStatusOptions>]: v.GenericSchema<InfinilmStatusOptions[K], unknown> });

/**
 * Serves the `/health`, `/status`, `/stats` and `/services` of InfiniLM's router.
 *
 * For whoever watches that router and shall not notice that another one took its place; fields have its names and
 * units, and each service also its `verdicts`. `/health` is always 200. Services of a registry show what they were
 * registered with, by everyone who can reach this proxy, as they did there. Not together with `stats`, whose paths are
 * the same, unless that has a prefix; the list of models is for `models`.
 *
 * @example
 * infinilmStatus({ registryUrl: "http://127.0.0.1:18000" });
 */
export const infinilmStatus: (options?: InfinilmStatusOptions) => Plugin = definePlugin({
  name: "infinilm-status",
  options: schema,
  setup(proxy, { registryUrl, now }) {
    const registry_url = registryUrl === undefined ? null : showUrl(registryUrl);
    const services = (): ServiceView[] => toServices(proxy.pools());

    const health = (): Response => {
      const all = services();
      const healthy = countHealthy(all);
      return json({
        status: healthy > 0 ? "healthy" : "running",
        router: "running",
        healthy_services: `${healthy}/${all.length}`,
        registry_url,
        message: healthy > 0 ? null : "No healthy services available",
        timestamp: Math.floor(now() / 1_000),
        stale: proxy.status().stale,
      });
    };
    for (const path of ["/health", "/status"]) proxy.route("GET", path, health);

    proxy.route("GET", "/stats", () => {
      const all = services();
      return json({
        total_services: all.length,
        healthy_services: countHealthy(all),
        registry_url,
        services: all,
      });
    });
    proxy.route("GET", "/services", () => {
      const all = services();
      return json({ services: all, total: all.length, registry_url });
    });
  },
});

function countHealthy(services: readonly ServiceView[]): number {
  return services.filter(({ healthy }) => healthy).length;
}

function showUrl(text: string): string {
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname === "/" ? "" : pathname}`;
}

function json(view: object): Response {
  return Response.json(view, { headers: { "cache-control": "no-store" } });
}
