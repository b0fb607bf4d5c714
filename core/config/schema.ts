import * as v from "valibot";
import type { EventHandler } from "h3";
import type { Certificate, Limits, ListenerConfig, MountConfig, ProxyConfig, TlsConfig } from "../contract/proxy.ts";
import type { RetryOptions, Timeouts } from "../contract/route.ts";
import { isPlugin, type Plugin } from "../plugin.ts";

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
  inspectTotal: count,
  headers: count,
  headerCount: count,
  url: count,
  connections: count,
  drain: count,
  drainDelay: count,
  drainIdle: count,
  generations: count,
  writeStall: count,
  bodyIdle: count,
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

const word = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));
const host = v.optional(v.pipe(v.string(), v.nonEmpty("Expected a host name or an address")));

const certificate = v.strictObject({
  cert: word,
  key: word,
  passphrase: v.optional(v.string()),
} satisfies Entries<Certificate>);

const tls: v.GenericSchema<TlsConfig | undefined> = v.optional(
  v.union(
    [
      v.literal("self-signed"),
      certificate,
      v.pipe(v.array(certificate), v.minLength(1, "Expected one certificate or more")),
    ],
    'Expected "self-signed", { cert, key } with the paths of PEM files, or a list of such',
  ),
);

/** One or several. */
const some = <T extends v.GenericSchema<string>>(
  one: T,
  message: string,
): v.GenericSchema<string | readonly string[]> =>
  v.union([one, v.pipe(v.array(one), v.minLength(1, message))], message);

const mountPath = v.pipe(v.string(), v.regex(/^\/[^?#\s]*$/, "Expected a path such as /v1"));
const mountHost = v.pipe(
  v.string(),
  v.regex(
    /^(?:\*\.)?(?:[\w-]+(?:\.[\w-]+)*|\[[\da-fA-F:.]+\])$/,
    "Expected a host name without port, or *.example.com",
  ),
);

/** Checked one by one, with better words. */
const plugins = v.optional(v.any());

const mount = v.strictObject({
  path: v.optional(some(mountPath, "Expected a path such as /v1, or a list of such")),
  host: v.optional(some(mountHost, "Expected a host name without port, *.example.com, or a list of such")),
  pool: v.optional(word),
  strip: v.optional(v.boolean()),
  handler: v.optional(v.custom<EventHandler>((value) => typeof value === "function", "Expected a function")),
  plugins,
} satisfies Entries<MountConfig>);

const mounts = v.optional(v.pipe(v.array(mount), v.minLength(1, "Expected one mount or more")));

const listener = v.strictObject({
  port,
  host,
  tls,
  when: v.optional(
    v.union(
      [word, v.custom<Plugin>(isPlugin, "Expected a plugin")],
      "Expected a condition such as anyAvailable(), or the name of one",
    ),
  ),
  control: v.optional(v.union([v.literal(true), v.array(word)], "Expected true, or a list of the names of plugins")),
  mounts,
  plugins,
} satisfies Entries<ListenerConfig>);

const listenerName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z][\w-]{0,31}$/, "Expected a name of 1 to 32 letters, digits, - and _, the first a letter"),
  v.check((name) => name !== "main", "main is the listener of the config's own port; take another name"),
);

const entries = {
  port: v.optional(port),
  host,
  tls,
  plugins,
  mounts,
  listeners: v.optional(v.record(listenerName, listener)),
  limits: v.optional(v.strictObject(limits)),
  retry: v.optional(v.strictObject(retry)),
  timeouts: v.optional(v.strictObject(timeouts)),
  trustedProxies: v.optional(v.array(v.string())),
  upgrades: v.optional(v.array(v.string())),
} satisfies Record<keyof ProxyConfig, v.GenericSchema>;

/** What a config says beside its plugins. */
export const configSchema: v.GenericSchema = v.strictObject(entries);
