import type { AddressRules, TargetSpec } from "../../core/index.ts";

export interface EntryRules {
  /** Of `metadata.type`; entries of others are somebody else's. */
  readonly types: readonly string[];
  /** Where a target may be, and the same made into rules. */
  readonly addresses: readonly string[];
  readonly rules: AddressRules;
  /** Whether the config itself has a target of this id. */
  isTaken(name: string): boolean;
}

/** What an entry of the registry comes to; undefined: it is of another type. */
export type Reading = Listed | Refused | undefined;

export interface Listed {
  readonly name: string;
  readonly spec: TargetSpec;
  /** Why it takes no requests; undefined: it does. */
  readonly down: string | undefined;
}

export interface Refused {
  readonly name: string;
  readonly refused: string;
}

/** What selectors look for unless they are told another name; all else they find in `meta`. */
const labelNames = ["cache_type", "zone", "group"];

const nameRule = /^[A-Za-z0-9][\w.:@+-]{0,127}$/;

/** What is deeper cannot be written as JSON again. */
const mostLevels = 64;

type Entry = Readonly<Record<string, unknown>>;

/** As text all that counts of an entry: the times of its heartbeats do not. Undefined for what is no entry. */
export function toPrint(entry: unknown): string | undefined {
  if (!isRecord(entry)) return undefined;
  const { name, host, port, hostname, url, status, is_healthy, weight, metadata } = entry;
  try {
    return JSON.stringify({ name, host, port, hostname, url, status, is_healthy, weight, metadata });
  } catch {
    return undefined; // Nested too deep; read on its own it is refused.
  }
}

/** Makes a target of an entry, or says why it cannot be one. */
export function readEntry(entry: unknown, rules: EntryRules): Reading {
  if (!isRecord(entry)) return { name: "", refused: "it is no object" };
  const { name: given, metadata = {} } = entry;
  if (isRecord(metadata) && !rules.types.includes(metadata["type"] as string)) return undefined;
  const name = typeof given === "string" ? given : "";
  const url = toUrl(entry);
  const refused = whyNoTarget(entry, url, rules);
  if (refused !== undefined) return { name, refused };
  return { name, spec: toSpec(entry, name, { url: url.text, addresses: rules.addresses }), down: whyDown(entry) };
}

function whyNoTarget(entry: Entry, url: ServiceUrl, { rules, isTaken }: EntryRules): string | undefined {
  return (
    whyNoName(entry["name"], isTaken) ??
    whyNoMetadata(entry["metadata"]) ??
    url.refused ??
    rules.refuseHost(new URL(url.text).hostname) ??
    whyNoWeight(entry["weight"])
  );
}

function toSpec(
  entry: Entry,
  name: string,
  { url, addresses }: { url: string; addresses: readonly string[] },
): TargetSpec {
  const { weight, metadata = {}, hostname } = entry;
  const { hostname: urlHost, port: urlPort, protocol } = new URL(url);
  const { models, ...rest } = metadata as Entry;
  return {
    id: name,
    url,
    weight: typeof weight === "number" ? weight : 1,
    models: Array.isArray(models) ? models.filter((model) => typeof model === "string" && model !== "") : [],
    labels: toLabels(rest),
    // The metadata as it came, and beside it what the views of InfiniLM show.
    meta: {
      ...(metadata as Entry),
      service: {
        name,
        host: isHost(entry["host"]) ? entry["host"] : urlHost.replace(/^\[|\]$/g, ""),
        port: isPort(entry["port"]) ? entry["port"] : Number(urlPort || (protocol === "https:" ? 443 : 80)),
        ...(typeof hostname === "string" && { hostname }),
      },
    },
    addresses,
  };
}

/** Those that plugins of the config rely on, such as `provider`, are not for a registrant to set. */
function toLabels(metadata: Entry): Readonly<Record<string, string>> {
  const found = labelNames.flatMap((label) => {
    const value = Object.hasOwn(metadata, label) ? metadata[label] : undefined;
    return typeof value === "string" && value.length <= 128 ? [[label, value] as const] : [];
  });
  return Object.fromEntries(found);
}

function whyDown({ is_healthy: healthy, status }: Entry): string | undefined {
  const runs = status === undefined || status === "running";
  if (healthy === true || (healthy === undefined && runs)) return undefined;
  if (runs) return "no heartbeat within its lease";
  return typeof status === "string" && /^[\w .:-]{1,64}$/.test(status) ? `status ${status}` : "not running";
}

function whyNoName(name: unknown, isTaken: (name: string) => boolean): string | undefined {
  if (typeof name !== "string" || !nameRule.test(name))
    return "its name is not 1 to 128 letters, digits and _ . : @ + -, the first a letter or a digit";
  return isTaken(name) ? "the config has a target of that name" : undefined;
}

function whyNoMetadata(metadata: unknown = {}): string | undefined {
  if (!isRecord(metadata)) return "its metadata is no object";
  return whyUnfit(metadata, mostLevels);
}

function whyUnfit(value: unknown, levels: number): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (levels === 0) return `its metadata has more than ${mostLevels} levels`;
  // JSON.parse makes an own field of it, what copies it field by field another prototype.
  if (Object.hasOwn(value, "__proto__")) return "its metadata has a field __proto__";
  for (const inner of Object.values(value)) {
    const why = whyUnfit(inner, levels - 1);
    if (why !== undefined) return why;
  }
  return undefined;
}

function whyNoWeight(weight: unknown): string | undefined {
  if (weight === undefined || weight === null) return undefined;
  const fits = typeof weight === "number" && weight >= 0 && weight <= 1e6;
  return fits ? undefined : "its weight is no number of 0 to 1000000";
}

interface ServiceUrl {
  readonly text: string;
  /** Undefined: a target can have it. */
  readonly refused: string | undefined;
}

function toUrl({ url, host, port }: Entry): ServiceUrl {
  if (typeof url === "string") return { text: url, refused: whyNoUrl(url) };
  if (!isHost(host) || !isPort(port)) return { text: "", refused: "it has neither a url nor a host and a port" };
  const text = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return { text, refused: whyNoUrl(text) };
}

function whyNoUrl(url: string): string | undefined {
  if (url.length > 255) return "its url is longer than 255 characters";
  // What the URL parser would silently drop or turn into something else.
  if (/[\s\\\u0000-\u001f\u007f]/.test(url)) return "its url has spaces, control characters or backslashes";
  if (!/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url)) return "its url is no http or https URL";
  if (/[?#]/.test(url)) return "its url has a query or a fragment";
  const { username, password } = new URL(url);
  return username === "" && password === "" ? undefined : "its url has credentials in it";
}

function isHost(host: unknown): host is string {
  return typeof host === "string" && /^[A-Za-z0-9_.:-]{1,253}$/.test(host);
}

function isPort(port: unknown): port is number {
  return typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function isRecord(value: unknown): value is Entry {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
