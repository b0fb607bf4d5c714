import * as v from "valibot";
import {
  addressRangeHint,
  addressRules,
  definePlugin,
  type DiscoverySink,
  isAddressRange,
  type Plugin,
  type Setup,
} from "../../core/index.ts";
import { createRegistryClient } from "./_registry-client.ts";
import { followRegistry } from "./_registry-follow.ts";
import { createTable, type Table } from "./_registry-table.ts";

export interface RegistryTargetsOptions {
  /** Of the registry, such as `http://127.0.0.1:18000`. Of several the first that answers is asked. */
  url: string | readonly string[];
  /** The pool its services belong to. @default "default" */
  pool?: string;
  /** Milliseconds between two questions to a registry that does not tell of changes by itself. @default 10000 */
  interval?: number;
  /** Milliseconds an answer may take, and the first try of the start. @default 10000 */
  timeout?: number;
  /** Milliseconds a service stays that the registry no longer lists. @default 60000 */
  grace?: number;
  /**
   * Milliseconds it stays when the registry may only have forgotten it: one that lists nothing, or began anew.
   * 300000 or more. @default 300000
   */
  keep?: number;
  /** What `metadata.type` of a service may be; one that does not say is left alone, as all others. @default ["openai-api"] */
  types?: readonly string[];
  /** Let the registry tell of changes at once, if it can. @default true */
  watch?: boolean;
  /**
   * Where services may be: addresses, CIDR ranges, `loopback`, `private` or `any`, looked at for each new connection;
   * never link-local and cloud metadata. @default ["loopback", "private"]
   */
  allow?: readonly string[];
  /** Sent as `Authorization: Bearer TOKEN`. @default none */
  token?: string;
  /** Bytes of a list of all services. @default 64 MiB */
  maxBytes?: number;
  /** A monotonic clock, in milliseconds. @default performance.now */
  now?: () => number;
  /** A number in [0, 1), by which questions and attempts are spread. @default the proxy's */
  random?: () => number;
}

interface Settings extends Required<Omit<RegistryTargetsOptions, "url" | "token" | "random">> {
  readonly url: readonly string[];
  readonly token?: string | undefined;
  readonly random?: (() => number) | undefined;
}

const word = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));
const whole = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));
const milliseconds = v.pipe(whole, v.maxValue(2 ** 31 - 1, "Expected 2147483647 or less"));

const registryUrl = v.pipe(
  v.string(),
  v.regex(
    /^https?:\/\/[^\s\\@?#/]+[^\s\\@?#]*$/i,
    "Expected a URL such as http://127.0.0.1:18000, without query or credentials",
  ),
  v.check((text) => URL.canParse(text), "Expected a URL such as http://127.0.0.1:18000"),
  v.transform((text) => new URL(text).href.replace(/\/+$/, "")),
);

const schema: v.GenericSchema<RegistryTargetsOptions, Settings> = v.strictObject({
  url: v.pipe(
    v.union(
      [registryUrl, v.pipe(v.array(registryUrl), v.minLength(1))],
      "Expected a URL such as http://127.0.0.1:18000, without query or credentials, or a list of them",
    ),
    v.transform((given) => [...new Set([given].flat())]),
  ),
  pool: v.optional(word, "default"),
  interval: v.optional(milliseconds, 10_000),
  timeout: v.optional(milliseconds, 10_000),
  grace: v.optional(v.pipe(v.number(), v.minValue(0, "Expected milliseconds, 0 or more")), 60_000),
  keep: v.optional(v.pipe(v.number(), v.minValue(300_000, "Expected milliseconds, 300000 or more")), 300_000),
  types: v.optional(v.pipe(v.array(word), v.minLength(1, "Expected one type or more")), ["openai-api"]),
  watch: v.optional(v.boolean(), true),
  allow: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.check(isAddressRange, addressRangeHint))),
      v.minLength(1, "Expected one range or more; with none no service could be used"),
    ),
    ["loopback", "private"],
  ),
  token: v.optional(v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/, "Expected letters, digits and signs without spaces"))),
  maxBytes: v.optional(whole, 64 * 1024 * 1024),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
    () => () => performance.now(),
  ),
  random: v.optional(
    v.custom<() => number>(
      (value) => typeof value === "function",
      "Expected a function that returns a number in [0, 1)",
    ),
  ),
} satisfies { [K in keyof Required<RegistryTargetsOptions>]: v.GenericSchema<RegistryTargetsOptions[K], unknown> });

/**
 * Takes targets from a registry as services come and go there.
 *
 * Follows the stream of changes that `registry()` has, and asks in intervals one that has none, such as InfiniLM's. What the
 * registry says of a service's health is one verdict among others: a target that probes found dead stays out, whatever the
 * registry lists. A service that deregisters leaves at once, one that is not listed any more after `grace`. A registry that
 * is away, that comes back empty or began anew takes no target away: without one the last known stay, and the source is
 * stale; a reload changes nothing of that. A start without a registry begins with no targets. Services may only be where
 * `allow` says; one that cannot be a target is left out, with a warning, and so is one with the id of a target of the
 * config. Its name is the target's id, its metadata the target's `meta`, of which `cache_type`, `zone` and `group` are
 * labels too. It may appear more than once, for several pools.
 *
 * @example
 * registryTargets({ url: "http://127.0.0.1:18000", allow: ["private"] });
 */
export const registryTargets: (options: RegistryTargetsOptions) => Plugin = definePlugin({
  name: "registry-targets",
  options: schema,
  multiple: true,
  setup(proxy, settings) {
    const { pool, url: urls } = settings;
    const rules = addressRules(settings.allow);
    const reporter = proxy.reporter(pool === "default" ? "registry" : `registry ${pool}`);
    const isTaken = createTaken(proxy);

    function start(sink: DiscoverySink, signal: AbortSignal): Promise<void> | void {
      if (proxy.mode !== "serve" || signal.aborted) return;
      const { allow: addresses, random = proxy.random } = settings;
      const table = createTable({
        ...settings,
        sink,
        reporter,
        addresses,
        rules,
        isTaken,
        warn: (text) => proxy.log.warn(text),
      });
      succeed(proxy, { table, urls, pool }, signal);
      const client = createRegistryClient({ token: settings.token, maxBytes: settings.maxBytes });
      signal.addEventListener("abort", () => void client.close(), { once: true });
      return followRegistry({
        ...settings,
        urls,
        random,
        client,
        table,
        signal,
        away(error) {
          if (error !== undefined) return sink.fail(error);
          table.confirm();
          proxy.log.info(`the registry of pool ${pool} answers again`);
        },
        unwatched: (from, reason) => proxy.log.warn(`${from} cannot be watched, so it is polled: ${reason}`),
      });
    }

    proxy.provide("discovery", `registry-targets ${pool} ${urls.join(" ")}`, { pool, start });
  },
});

interface Held {
  readonly table: Table;
  readonly urls: readonly string[];
  readonly pool: string;
}

/**
 * Takes over what the generation before knows of the same registry. Each has a table of its own, for both follow the
 * registry until the exchanges of the old one have ended; a generation that was refused leaves that of the running one.
 */
function succeed(proxy: Setup, held: Held, signal: AbortSignal): void {
  const { tables } = proxy.keep("tables", () => ({ tables: new Set<Held>() }));
  const before = [...tables].findLast(
    ({ pool, urls }) => pool === held.pool && urls.some((each) => held.urls.includes(each)),
  );
  if (before !== undefined) held.table.restore(before.table);
  tables.add(held);
  signal.addEventListener("abort", () => tables.delete(held), { once: true });
}

/** Whoever may register must not speak for a target that the config names. */
function createTaken(proxy: Setup): (name: string) => boolean {
  const discoveries = proxy.useAll("discovery");
  let ids: ReadonlySet<string> | undefined;
  return (name) => {
    ids ??= new Set(
      [...discoveries.value.values()].flatMap(({ known = [] }) => known.map(({ id, url }) => id ?? url ?? "")),
    );
    return ids.has(name);
  };
}
