import { isHealthy } from "./_registry-entry.ts";
import { type Answer, json } from "./_registry-http.ts";
import type { RegistryState } from "./_registry-state.ts";
import type { Service } from "./_registry-store.ts";

/** `GET /health`: 200 for as long as it answers; what it tells may yet be old. */
export function healthPage({ store, hub }: RegistryState, now: number): Answer {
  const services = [...(store?.all() ?? [])];
  const current = store !== undefined && hub.staleBecause === undefined;
  return json({
    status: current ? "healthy" : "degraded",
    registry: "running",
    registered_services: services.length,
    healthy_services: services.filter((one) => isHealthy(one, now)).length,
    watchers: hub.watchers,
    storage: current ? "current" : "stale",
    timestamp: new Date().toISOString(),
  });
}

/** `GET /stats`; `uptime` is in milliseconds here and in seconds there, as the original has it. */
export function statsPage({ store, hub }: RegistryState, now: number, uptime: number): Answer {
  const services = [...(store?.all() ?? [])];
  const healthy = services.filter((one) => isHealthy(one, now)).length;
  return json({
    total_services: services.length,
    healthy_services: healthy,
    unhealthy_services: services.length - healthy,
    status_distribution: count(services, "status"),
    host_distribution: count(services, "host"),
    watchers: hub.watchers,
    uptime: Math.floor(uptime / 1_000),
    timestamp: new Date().toISOString(),
  });
}

function count(services: readonly Service[], field: "status" | "host"): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const service of services) counts.set(service[field], (counts.get(service[field]) ?? 0) + 1);
  // fromEntries defines each as its own: a host may be called __proto__.
  return Object.fromEntries(counts);
}
