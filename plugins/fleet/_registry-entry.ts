import type { Service } from "./_registry-store.ts";

/** Takes requests: it says that it does, and its lease holds. */
export function isHealthy({ status, until }: Service, now: number): boolean {
  return status === "running" && until > now;
}

interface Written {
  readonly healthy: boolean;
  readonly text: string;
}

const written = new WeakMap<Service, Written>();

/** The entry of a service as the API tells it, in JSON; written once for as long as nothing of it changes. */
export function toEntry(service: Service, now: number): string {
  const healthy = isHealthy(service, now);
  const before = written.get(service);
  if (before?.healthy === healthy) return before.text;
  const text = JSON.stringify({
    name: service.name,
    host: service.host,
    port: service.port,
    hostname: service.hostname,
    url: service.url,
    status: service.status,
    timestamp: service.timestamp,
    last_heartbeat: service.lastHeartbeat / 1_000,
    health_status: service.health,
    is_healthy: healthy,
    metadata: service.metadata,
    weight: service.weight,
    lease: service.lease / 1_000,
  });
  written.set(service, { healthy, text });
  return text;
}

/** Joined, because what was written of each is as good as what would be written of all. */
export function toList(services: Iterable<Service>, now: number): { readonly json: string; readonly total: number } {
  const entries: string[] = [];
  for (const service of services) entries.push(toEntry(service, now));
  return { json: `[${entries.join(",")}]`, total: entries.length };
}
