import type { Pool, Target, Verdict } from "../../core/index.ts";

/** A service as InfiniLM's router shows it; all but `verdicts` are its fields. */
export interface ServiceView {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Of whatever started it: by InfiniLM's rule the next port of the same host. */
  readonly babysitter_url: string;
  readonly healthy: boolean;
  /** Attempts; the original counts one that succeeds twice. */
  readonly request_count: number;
  readonly error_count: number;
  /** Seconds to the head of a response, an average of the latest; the original's are of a health check. */
  readonly response_time: number;
  readonly weight: number;
  readonly models: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Who says that it is down, and why. */
  readonly verdicts: readonly Pick<Verdict, "reporter" | "reason">[];
}

/** Each target of the pools once, in their order. */
export function toServices(pools: readonly Pool[]): ServiceView[] {
  const services = new Map<string, ServiceView>();
  for (const pool of pools) {
    const available = new Set(pool.snapshot.available);
    for (const target of pool.snapshot.all) {
      if (!services.has(target.id)) services.set(target.id, toService(target, pool, available.has(target)));
    }
  }
  return [...services.values()];
}

function toService(target: Target, pool: Pool, healthy: boolean): ServiceView {
  const { id, origin, basePath, weight, models, live } = target;
  const { name, host, port, metadata } = registrationOf(target);
  return {
    name,
    host,
    port,
    url: `${origin}${basePath}`,
    babysitter_url: `http://${host.includes(":") ? `[${host}]` : host}:${port + 1}`,
    healthy,
    request_count: live.requests,
    error_count: live.failures,
    response_time: Math.round(live.ttfb) / 1_000,
    weight,
    models,
    metadata,
    verdicts: pool.verdicts(id).map(({ reporter, reason }) => ({ reporter, reason })),
  };
}

interface Registration {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * What a service was registered with, which is in `meta` beside `meta.service`. Of other targets no meta is shown: what a
 * config says there may be a secret.
 */
function registrationOf({ id, origin, meta: { service, ...metadata } }: Target): Registration {
  const { hostname, port, protocol } = new URL(origin);
  const fromUrl = {
    name: id,
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
  };
  if (typeof service !== "object" || service === null) return { ...fromUrl, metadata: {} };
  const told = service as Readonly<Record<string, unknown>>;
  return {
    name: typeof told["name"] === "string" ? told["name"] : fromUrl.name,
    host: typeof told["host"] === "string" ? told["host"] : fromUrl.host,
    port: typeof told["port"] === "number" ? told["port"] : fromUrl.port,
    metadata,
  };
}
