import type { Patch, Registration, Service } from "./_registry-store.ts";

/** A service without its times. */
export type Stored = Omit<Service, "lastHeartbeat" | "until">;

/** The fields of a hash in Redis, in the order in which the scripts take their values. */
export const fields = [
  "host",
  "port",
  "hostname",
  "url",
  "status",
  "metadata",
  "weight",
  "lease",
  "timestamp",
  "health",
  "owner",
  "chosen",
  "peer",
] as const;

type Field = (typeof fields)[number];

export function toValues(stored: Stored): string[] {
  const { host, port, hostname, url, status, metadata, weight, lease, timestamp, health, owner } = stored;
  const of: Record<Field, string> = {
    host,
    port: String(port),
    hostname,
    url,
    status,
    metadata: JSON.stringify(metadata),
    weight: String(weight),
    lease: String(lease),
    timestamp,
    health,
    owner: owner.lease,
    chosen: owner.chosen ? "1" : "0",
    peer: owner.peer,
  };
  return fields.map((field) => of[field]);
}

export function toStored(registration: Registration): Stored {
  return { ...registration, health: "unknown" };
}

const patchable: readonly (keyof Patch)[] = ["host", "port", "hostname", "url", "status", "metadata", "weight"];

/** Fields and values in turn. */
export function toPairs(patch: Patch): string[] {
  return patchable.flatMap((field) => {
    const value = patch[field];
    if (value === undefined) return [];
    return [field, typeof value === "object" ? JSON.stringify(value) : String(value)];
  });
}

/** Reads what HGETALL answered; throws for what no registry has written. */
export function parseHash(name: string, hash: readonly string[]): Stored {
  const found = new Map<string, string>();
  for (let at = 0; at < hash.length; at += 2) found.set(hash[at] as string, hash[at + 1] as string);
  const read = (field: Field): string => {
    const value = found.get(field);
    if (value === undefined) throw new TypeError(`"${name}" has no field "${field}" in Redis`);
    return value;
  };
  return {
    name,
    host: read("host"),
    port: Number(read("port")),
    hostname: read("hostname"),
    url: read("url"),
    status: read("status"),
    metadata: JSON.parse(read("metadata")) as Stored["metadata"],
    weight: Number(read("weight")),
    lease: Number(read("lease")),
    timestamp: read("timestamp"),
    health: read("health") as Stored["health"],
    owner: { lease: read("owner"), chosen: read("chosen") === "1", peer: read("peer") },
  };
}

export function isSame(a: Stored, b: Stored): boolean {
  const values = toValues(b);
  return toValues(a).every((value, index) => value === values[index]);
}
