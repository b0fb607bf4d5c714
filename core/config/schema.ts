import * as v from "valibot";
import type { Limits, ProxyConfig } from "../contract/proxy.ts";
import type { RetryOptions, Timeouts } from "../contract/route.ts";

const count = v.optional(v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(0, "Expected 0 or more")));
const port = v.pipe(
  v.number(),
  v.integer("Expected a whole number"),
  v.minValue(0, "Expected 0 to 65535"),
  v.maxValue(65_535, "Expected 0 to 65535"),
);

type Entries<O> = { [K in keyof Required<O>]: v.GenericSchema<O[K]> };

const limits = {
  body: count,
  inspect: count,
  headers: count,
  headerCount: count,
  url: count,
  connections: count,
  drain: count,
  drainDelay: count,
  drainIdle: count,
  generations: count,
  writeStall: count,
} satisfies Entries<Limits>;

const retry = {
  attempts: v.optional(v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"))),
  on: v.optional(v.array(v.picklist(["connect", "reset", "timeout", "status"]))),
  statuses: v.optional(
    v.array(
      v.pipe(v.number(), v.integer(), v.minValue(200, "Expected 200 to 599"), v.maxValue(599, "Expected 200 to 599")),
    ),
  ),
  nonIdempotent: v.optional(v.boolean()),
} satisfies Entries<RetryOptions>;

const timeouts = { connect: count, headers: count, idle: count, total: count } satisfies Entries<Partial<Timeouts>>;

const entries = {
  port: v.optional(port),
  host: v.optional(v.pipe(v.string(), v.nonEmpty("Expected a host name or an address"))),
  /** Checked one by one, with better words. */
  plugins: v.any(),
  limits: v.optional(v.strictObject(limits)),
  retry: v.optional(v.strictObject(retry)),
  timeouts: v.optional(v.strictObject(timeouts)),
  trustedProxies: v.optional(v.array(v.string())),
  upgrades: v.optional(v.array(v.string())),
} satisfies Record<keyof ProxyConfig, v.GenericSchema>;

/** What a config says beside its plugins. */
export const configSchema: v.GenericSchema = v.strictObject(entries);
