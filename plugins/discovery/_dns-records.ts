import type { SrvRecord } from "node:dns";
import { isIP, isIPv6 } from "node:net";
import type { TargetSpec } from "../../core/index.ts";
import type { Family, Known, Lookup } from "./_dns-lookup.ts";
import type { SharedFields } from "./_target-spec.ts";

const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const hostName = new RegExp(`^(?=.{1,253}\\.?$)${label}(?:\\.${label})*\\.?$`, "i");

/** What a URL can hold as a host, and what is no address. */
export function isHostName(text: string): boolean {
  return hostName.test(text) && isIP(text) === 0;
}

export interface NameOptions {
  readonly name: string;
  readonly type: Family | "A+AAAA" | "SRV";
  readonly scheme: "http" | "https";
  readonly port: number;
  readonly path: string;
  readonly fields: SharedFields;
}

/** What a name leads to now. */
export interface Found {
  readonly targets: readonly TargetSpec[];
  /** Seconds for which it holds; undefined: as long as the source likes. */
  readonly ttl: number | undefined;
  readonly faults: readonly string[];
}

/** A place that a name leads to. */
interface Place {
  readonly host: string;
  readonly port: number;
  readonly weight?: number | undefined;
  readonly priority?: number;
}

export async function findTargets(lookup: Lookup, options: NameOptions): Promise<Found> {
  const { name, type, port } = options;
  if (type === "SRV") return findServices(lookup, options);
  const { records, ttl, fault } = await findAddresses(lookup, name, type === "A+AAAA" ? ["A", "AAAA"] : [type]);
  const targets = toTargets(
    records.map((host) => ({ host, port })),
    options,
  );
  return { targets, ttl, faults: fault === undefined ? [] : [fault] };
}

/** A family that has no records is no fault where another has some. */
async function findAddresses(lookup: Lookup, name: string, families: readonly Family[]): Promise<Known<string>> {
  const found = await Promise.all(families.map((family) => lookup.addresses(name, family)));
  const answered = found.some(({ fault }) => fault === undefined);
  const used = found.filter(({ none = false }) => !(answered && none));
  for (const [index, family] of families.entries()) {
    if (answered && found[index]?.none === true) lookup.forget(name, family);
  }
  return {
    records: used.flatMap(({ records }) => records),
    ttl: lowest(used.map(({ ttl }) => ttl)),
    fault: used.find(({ fault }) => fault !== undefined)?.fault,
  };
}

async function findServices(lookup: Lookup, options: NameOptions): Promise<Found> {
  const { records, fault } = await lookup.services(options.name);
  // RFC 2782: a record of the root says that there is decidedly no such service.
  const services = records.filter(({ name }) => name !== "" && name !== ".");
  const places = withWeights(services.filter(isUsable));
  const faults = services
    .filter((record) => !isUsable(record))
    .map(({ name, port }) => `${JSON.stringify(name)}:${port} is no server`);
  if (fault !== undefined) faults.unshift(fault);
  // The certificate is for the host name: each new connection looks up where that is.
  if (options.scheme === "https") {
    return { targets: toTargets(places, options), ttl: undefined, faults };
  }
  const found = await Promise.all(places.map(({ host }) => findHost(lookup, host)));
  const resolved = places.flatMap((place, index) => {
    const hosts = found[index]?.records ?? [];
    // Together they get what the record says.
    return hosts.map((host) => ({ ...place, host, weight: (place.weight ?? 1) / hosts.length }));
  });
  return {
    targets: toTargets(resolved, options),
    ttl: lowest(found.map(({ ttl }) => ttl)),
    faults: [...faults, ...found.flatMap((host) => host.fault ?? [])],
  };
}

function isUsable({ name, port }: SrvRecord): boolean {
  return isHostName(name) && port > 0;
}

/** The IPv4 addresses, or where there are none the IPv6 ones: one server must not become two targets. */
async function findHost(lookup: Lookup, host: string): Promise<Known<string>> {
  const four = await lookup.addresses(host, "A");
  if (four.none !== true) return four;
  const six = await lookup.addresses(host, "AAAA");
  if (six.fault !== undefined) return four.records.length > 0 ? four : six;
  lookup.forget(host, "A");
  return six;
}

/** A weight of 0 is next to nothing beside others (RFC 2782), and says nothing where all of a priority have it. */
function withWeights(services: readonly SrvRecord[]): Place[] {
  const weighted = new Set(services.filter(({ weight }) => weight > 0).map(({ priority }) => priority));
  return services.map(({ name, port, priority, weight }) => ({
    host: name,
    port,
    priority,
    weight: weighted.has(priority) ? weight : 1,
  }));
}

/** In the same order whatever the order of the answer is, which servers rotate; of a place named twice the first. */
function toTargets(places: readonly Place[], { scheme, path, fields }: NameOptions): TargetSpec[] {
  const targets = new Map<string, TargetSpec>();
  for (const { host, port, weight, priority } of places.toSorted((a, b) => (a.priority ?? 0) - (b.priority ?? 0))) {
    const url = `${scheme}://${isIPv6(host) ? `[${host}]` : host.toLowerCase()}:${port}${path}`;
    if (targets.has(url)) continue;
    const labels = priority === undefined ? fields.labels : { ...fields.labels, priority: String(priority) };
    targets.set(url, { ...fields, url, ...(labels && { labels }), ...(weight !== undefined && { weight }) });
  }
  return [...targets.values()].toSorted((a, b) => (a.url < b.url ? -1 : 1));
}

function lowest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
