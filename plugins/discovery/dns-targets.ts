import { isIP } from "node:net";
import * as v from "valibot";
import { definePlugin, type Plugin } from "../../core/index.ts";
import { createLookup, type LastKnown } from "./_dns-lookup.ts";
import { findTargets, isHostName, type NameOptions } from "./_dns-records.ts";
import { backoff, follow } from "./_follow.ts";
import { interval, poolName, type SharedFields, sharedFields } from "./_target-spec.ts";
import { createUnverified } from "./_unverified.ts";

/** Beside these: `weight` (not of SRV), `models`, `labels` and what else a target may have, for all of them. */
export interface DnsTargetsOptions extends SharedFields {
  /** Asked for as it is: without search domains, and not in `/etc/hosts`. */
  name: string;
  /** The records that name the targets. @default "A" */
  type?: "A" | "AAAA" | "A+AAAA" | "SRV";
  /** Of each target; not for SRV, whose records name it. @default 80 */
  port?: number;
  /** `https` for SRV only: its host names are what a certificate is for. @default "http" */
  scheme?: "http" | "https";
  /** What the paths of the targets begin with, such as `/v1`. @default "" */
  path?: string;
  /** The pool they belong to. @default "default" */
  pool?: string;
  /** Milliseconds after which SRV records, which come without their TTL, are asked for again. @default 30000 */
  interval?: number;
  /** Milliseconds that an answer holds at least, whatever its TTL. @default 1000 */
  minTtl?: number;
  /** Milliseconds that an answer holds at most. @default 300000 */
  maxTtl?: number;
  /** Milliseconds that all questions of one round may take; the start waits no longer than that. @default 5000 */
  timeout?: number;
  /** Name servers, such as `10.0.0.2` or `127.0.0.1:8600`. @default those of the system */
  servers?: readonly string[];
}

type Settings = NameOptions &
  Required<Pick<DnsTargetsOptions, "pool" | "interval" | "minTtl" | "maxTtl" | "timeout">> &
  Pick<DnsTargetsOptions, "servers">;

const entries = {
  ...sharedFields,
  name: v.pipe(
    v.string(),
    v.check(isHostName, "Expected a name such as backends.internal; an address goes into staticTargets"),
  ),
  type: v.optional(v.picklist(["A", "AAAA", "A+AAAA", "SRV"]), "A"),
  port: v.optional(
    v.pipe(
      v.number(),
      v.integer("Expected a whole number"),
      v.minValue(1, "Expected 1 to 65535"),
      v.maxValue(65_535, "Expected 1 to 65535"),
    ),
  ),
  scheme: v.optional(v.picklist(["http", "https"]), "http"),
  path: v.optional(
    v.pipe(v.string(), v.regex(/^(?:\/[\w.~!$&'()*+,;=:@%-]+)*\/?$/, "Expected a path such as /v1")),
    "",
  ),
  pool: poolName,
  interval: v.optional(interval, 30_000),
  minTtl: v.optional(interval, 1_000),
  maxTtl: v.optional(interval, 300_000),
  timeout: v.optional(interval, 5_000),
  servers: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.check(isServer, "Expected an address, or one with a port, such as 127.0.0.1:8600"))),
      v.minLength(1, "Expected one server or more"),
    ),
  ),
} satisfies Record<keyof DnsTargetsOptions, unknown>;

const schema: v.GenericSchema<DnsTargetsOptions, Settings> = v.pipe(
  v.strictObject(entries),
  v.forward(
    v.check(({ type, port }) => type !== "SRV" || port === undefined, "Expected no port: SRV records have their own"),
    ["port"],
  ),
  v.forward(
    v.check(
      ({ type, weight }) => type !== "SRV" || weight === undefined,
      "Expected no weight: SRV records have theirs",
    ),
    ["weight"],
  ),
  v.forward(
    v.check(
      ({ type, scheme }) => type === "SRV" || scheme === "http",
      'Expected "http": no certificate is for an address; take type "SRV", or staticTargets with the name in the URL',
    ),
    ["scheme"],
  ),
  v.forward(
    v.check(({ scheme, tls }) => scheme === "https" || tls === undefined, 'Expected the scheme "https", or no tls'),
    ["tls"],
  ),
  v.forward(
    v.check(({ scheme, http2 }) => scheme === "https" || http2 !== true, 'Expected the scheme "https", or no http2'),
    ["http2"],
  ),
  v.forward(
    v.check(({ minTtl, maxTtl }) => minTtl <= maxTtl, "Expected minTtl, or more"),
    ["maxTtl"],
  ),
  v.transform((options) => {
    const {
      name,
      type,
      port = 80,
      scheme,
      path,
      pool,
      interval: every,
      minTtl,
      maxTtl,
      timeout,
      servers,
      ...fields
    } = options;
    return { name, type, port, scheme, path, pool, interval: every, minTtl, maxTtl, timeout, servers, fields };
  }),
);

/**
 * Puts the addresses behind a DNS name into a pool, and follows it.
 *
 * For headless services, Consul and the like. Each address is a target; it is asked for again when its TTL ends. SRV
 * records are targets with their port and weight, and with their priority in the label that the selector `priority` reads;
 * their hosts are resolved to addresses, or with `https` left as they are, for the certificate. A name server that fails,
 * does not answer, or has nothing changes nothing: what was known last stays, also over a reload, the source is stale in
 * the status of the proxy, and it is asked again after 1 to 30 seconds. An SRV record of "." says that there is no service,
 * and empties the pool. The start waits for the first answer, up to `timeout`, and does not fail without one. `check` and
 * `explain` ask nothing and have no targets. Not for a name with one address that never changes: `staticTargets` resolves it
 * for each new connection.
 *
 * @example
 * dnsTargets({ name: "vllm.models.svc.cluster.local", port: 8000, models: ["qwen3-8b"] });
 */
export const dnsTargets: (options: DnsTargetsOptions) => Plugin = definePlugin({
  name: "dns-targets",
  options: schema,
  multiple: true,
  setup(proxy, options) {
    const { name, type, pool, servers, timeout, minTtl, maxTtl } = options;
    const last = proxy.keep<LastKnown>(`${type} ${name} ${servers?.join(" ") ?? ""}`, () => new Map());

    proxy.provide("discovery", toSource(options), {
      pool,
      async start(sink, signal) {
        if (signal.aborted) return;
        if (proxy.mode !== "serve") return sink.replace([]);
        const lookup = createLookup({ servers, timeout, last, signal });
        const warn = createUnverified(proxy.log);
        let holds = minTtl;
        const { ask } = follow({
          sink,
          signal,
          async ask() {
            const { targets, ttl, faults } = await lookup.within(() => findTargets(lookup, options));
            warn(targets);
            holds = Math.min(Math.max((ttl ?? Infinity) * 1_000, minTtl), type === "SRV" ? options.interval : maxTtl);
            return { targets, fault: faults.length === 0 ? undefined : new Error(toText(faults)) };
          },
          wait: (failures) => (failures === 0 ? holds : Math.min(backoff(failures, proxy.random), holds)),
        });
        await ask();
      },
    });
  },
});

/** Two that ask the same for the same pool are a mistake, and core says so. */
function toSource({ pool, type, name, port, path }: Settings): string {
  return `dns-targets ${pool} ${type} ${name}${type === "SRV" ? "" : `:${port}`}${path}`;
}

/** What a server of the option looks like. */
function isServer(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const [, six, four, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  return isIP(six ?? "") === 6 || isIP(four ?? "") === 4 ? Number(port) > 0 && Number(port) < 65_536 : false;
}

function toText(faults: readonly string[]): string {
  const rest = faults.length - 5;
  return [...faults.slice(0, 5), ...(rest > 0 ? [`and ${rest} more`] : [])].join("; ");
}
