import type { TargetSpec } from "../../core/index.ts";
import type { Dialect } from "./_dialect.ts";
import type { Provider, ProviderModel } from "./_provider-options.ts";

/** One host of a provider. */
export interface ProviderTarget {
  readonly name: string;
  readonly provider: Provider;
  readonly spec: TargetSpec & { readonly id: string };
  /** `scheme://host[:port]` */
  readonly origin: string;
  /** Base paths that the spec's URL is not right for. */
  readonly bases: Readonly<Partial<Record<Dialect, string>>>;
}

/** A provider has a target for each host: URLs of one host differ in their base path only, which each request chooses. */
export function toTargets(name: string, provider: Provider): readonly ProviderTarget[] {
  const { url, urls = {} } = provider;
  if (url !== undefined) return [toTarget(name, provider, new Map([[undefined, url]]), name)];
  const byOrigin = new Map<string, Map<Dialect, string>>();
  for (const [dialect, each] of Object.entries(urls) as [Dialect, string | undefined][]) {
    if (each === undefined) continue;
    const { origin } = toParts(each);
    byOrigin.set(origin, (byOrigin.get(origin) ?? new Map<Dialect, string>()).set(dialect, each));
  }
  return [...byOrigin.values()].map((group) => {
    const [first] = group.keys();
    return toTarget(name, provider, group, byOrigin.size === 1 ? name : `${name}:${first}`);
  });
}

export function modelsOf({ models = [] }: Provider): readonly (readonly [name: string, model: ProviderModel])[] {
  return Array.isArray(models)
    ? (models as readonly string[]).map((name) => [name, {}] as const)
    : Object.entries(models as Readonly<Record<string, ProviderModel>>);
}

function toTarget(
  name: string,
  provider: Provider,
  urls: ReadonlyMap<Dialect | undefined, string>,
  id: string,
): ProviderTarget {
  const { weight, maxConcurrency, timeouts, enabled, labels, price } = provider;
  const [url = ""] = urls.values();
  const dialects = [...urls.keys()].filter((dialect) => dialect !== undefined);
  const models = modelsOf(provider);
  const prices = models.flatMap(([model, { price: each }]) => (each === undefined ? [] : [[model, each] as const]));
  const { origin, basePath } = toParts(url);
  return {
    name,
    provider,
    origin,
    bases: Object.fromEntries(
      [...urls].map(([dialect, each]) => [dialect, toParts(each).basePath]).filter(([, base]) => base !== basePath),
    ) as ProviderTarget["bases"],
    spec: {
      id,
      url,
      weight,
      maxConcurrency,
      timeouts,
      enabled,
      models: models.map(([model]) => model),
      labels: { ...labels, provider: name, ...(id !== name && { dialect: dialects.join(",") }) },
      meta: {
        ...(price !== undefined && { price }),
        ...(prices.length > 0 && { prices: Object.fromEntries(prices) }),
        ...(dialects.length > 0 && { dialects }),
      },
    },
  };
}

/** As core takes the URL of a target apart. */
function toParts(text: string): { readonly origin: string; readonly basePath: string } {
  const { protocol, host, pathname } = new URL(text);
  return { origin: `${protocol}//${host}`, basePath: pathname.replace(/\/+$/, "") };
}
