import type { Target, TargetSpec } from "../contract/target.ts";
import { type AddressRules, addressRules } from "../wire/address-rules.ts";
import type { Connection } from "./connections.ts";
import { type Dialer, dialerFor } from "./dialer.ts";
import type { LedgerEntry } from "./ledger.ts";
import { readTls, type UpstreamTls } from "./tls.ts";

interface Fields {
  readonly id: string;
  readonly origin: string;
  readonly basePath: string;
  readonly weight: number;
  readonly models: readonly string[];
  readonly model: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly maxConcurrency: number;
  readonly timeouts: TargetSpec["timeouts"];
  readonly enabled: boolean;
  readonly live: LedgerEntry;
  readonly connection: Connection;
}

/** A target with its ledger entry and its connections; all are of this one shape, so that reading one is fast. */
export class PoolTarget implements Target {
  readonly id: string;
  readonly origin: string;
  readonly basePath: string;
  readonly weight: number;
  readonly models: readonly string[];
  readonly model: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly meta: Readonly<Record<string, unknown>>;
  /** Attempts under way at most; Infinity for no limit. */
  readonly maxConcurrency: number;
  readonly timeouts: TargetSpec["timeouts"];
  readonly enabled: boolean;
  readonly live: LedgerEntry;
  readonly connection: Connection;

  constructor(fields: Fields) {
    this.id = fields.id;
    this.origin = fields.origin;
    this.basePath = fields.basePath;
    this.weight = fields.weight;
    this.models = fields.models;
    this.model = fields.model;
    this.labels = fields.labels;
    this.meta = fields.meta;
    this.maxConcurrency = fields.maxConcurrency;
    this.timeouts = fields.timeouts;
    this.enabled = fields.enabled;
    this.live = fields.live;
    this.connection = fields.connection;
  }
}

/**
 * Makes a second face of a target for one route: another weight, the name of the model it is asked for there; the same
 * identity, counters and connections. For the `candidates` of a route.
 */
export function viewTarget(target: Target, changes: { readonly weight?: number; readonly model?: string }): Target {
  const fields: Fields = { ...(target as Fields), ...changes };
  return target instanceof PoolTarget ? new PoolTarget(fields) : fields;
}

/** How a target is connected to, for plugins that do it themselves: where its host may be, and how its TLS is trusted. */
export function dialerOf(target: Target): Dialer {
  return target instanceof PoolTarget ? target.connection.dialer : dialerFor(undefined, undefined);
}

/** Where a target would be, and how it is connected to. Throws an Error that names what is wrong with the spec. */
export function placeOf(spec: TargetSpec): Pick<Target, "origin" | "basePath"> & { readonly dialer: Dialer } {
  const { origin, basePath, rules, tls } = toTargetFields(spec);
  return { origin, basePath, dialer: dialerFor(rules, tls) };
}

/** Whether it may have one more attempt, by its `maxConcurrency` and what reporters say it can take. */
export function hasRoom(target: Target): boolean {
  const { live, maxConcurrency } = target as PoolTarget;
  return live.inflight < maxConcurrency && live.inflight < live.most;
}

/** Where a target may be, for plugins that connect to it themselves; undefined: anywhere. */
export function addressRulesOf(target: Target): AddressRules | undefined {
  return dialerOf(target).rules;
}

const rulesByText = new Map<string, AddressRules>();

/** The same for the same ranges: thousands of targets of one source have them in common. */
function rulesFor(ranges: readonly string[]): AddressRules {
  const text = ranges.join(" ");
  const known = rulesByText.get(text);
  if (known !== undefined) return known;
  if (rulesByText.size >= mostRules) rulesByText.clear();
  const rules = addressRules(ranges);
  rulesByText.set(text, rules);
  return rules;
}

/** What a spec says, checked; the id, weight, origin and base path filled in. */
export interface TargetFields extends Omit<Fields, "live" | "connection"> {
  readonly keepAlive: number;
  readonly maxConnections: number;
  readonly rules: AddressRules | undefined;
  readonly tls: UpstreamTls | undefined;
  readonly http2: boolean;
}

/** Different lists of ranges that are remembered. */
const mostRules = 100;

const controls = /[\u0000-\u0020\u007f]/;

/** Throws an Error that names the value when the spec cannot be a target. */
export function toTargetFields(spec: TargetSpec): TargetFields {
  const url = URL.canParse(spec.url) ? new URL(spec.url) : undefined;
  if (url === undefined || url.host === "") {
    throw new Error(`target url "${spec.url}" is not a URL; write scheme://host[:port][/base]`);
  }
  if (url.username || url.password)
    throw new Error(`target url of ${url.host} has credentials in it; put them into a header`);
  if (url.search || url.hash) throw new Error(`target url "${spec.url}" has a query or a fragment; leave it out`);
  const id = spec.id ?? spec.url;
  if (id === "" || id.length > 255 || controls.test(id))
    throw new Error(`target id ${JSON.stringify(id)} is empty, too long, or has spaces in it`);
  const weight = spec.weight ?? 1;
  if (!Number.isFinite(weight) || weight < 0)
    throw new Error(`target ${id} has the weight ${weight}; use a number from 0 on`);
  const keepAlive = spec.keepAlive ?? 4_000;
  if (!Number.isFinite(keepAlive) || keepAlive <= 0)
    throw new Error(`target ${id} has the keepAlive ${keepAlive}; use milliseconds above 0`);
  const maxConnections = spec.maxConnections ?? 1_024;
  if (!Number.isInteger(maxConnections) || maxConnections < 1) {
    throw new Error(`target ${id} has the maxConnections ${maxConnections}; use a whole number from 1 on`);
  }
  const maxConcurrency = spec.maxConcurrency ?? Infinity;
  if (!(maxConcurrency >= 1)) {
    throw new Error(`target ${id} has the maxConcurrency ${maxConcurrency}; use a number from 1 on`);
  }
  const rules = spec.addresses === undefined ? undefined : rulesFor(spec.addresses);
  if (spec.tls !== undefined) requireHttps(url, id, "tls");
  if (spec.http2 === true) requireHttps(url, id, "http2");
  const refused = rules?.refuseHost(url.hostname);
  if (refused !== undefined) throw new Error(`target ${id} may not be at ${url.host}: ${refused}`);
  return {
    id,
    origin: `${url.protocol}//${url.host}`,
    basePath: url.pathname.replace(/\/+$/, ""),
    weight,
    models: Object.freeze([...(spec.models ?? [])]),
    model: undefined,
    labels: Object.freeze({ ...spec.labels }),
    meta: Object.freeze({ ...spec.meta }),
    maxConcurrency,
    timeouts: spec.timeouts,
    enabled: spec.enabled ?? true,
    keepAlive,
    maxConnections,
    rules,
    tls: spec.tls === undefined ? undefined : readTls(id, spec.tls),
    http2: spec.http2 ?? false,
  };
}

function requireHttps(url: URL, id: string, field: string): void {
  if (url.protocol !== "https:")
    throw new Error(`target ${id} has ${field}, and the url ${url.origin}; write https://, or leave ${field} out`);
}
