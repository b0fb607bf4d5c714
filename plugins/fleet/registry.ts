import * as v from "valibot";
import { addressRangeHint, definePlugin, isAddressRange, type Plugin } from "../../core/index.ts";
import { type StorageOption, whyNoStorage } from "./_registry-place.ts";

export interface RegistryOptions {
  /** Comes before each path. @default "" */
  prefix?: string;
  /**
   * `"memory"`, `"file:./directory"` for one process, `"redis://host:6379"` for several that share it (needs ioredis), or
   * a storage of unstorage. @default "memory"
   */
  storage?: StorageOption;
  /** What everyone needs to write, as `Authorization: Bearer TOKEN`; 16 characters or more. @default none */
  token?: string;
  /** Addresses, CIDR ranges, `loopback` or `private` that may write while there is no token. @default ["loopback"] */
  writers?: readonly string[];
  /** Where services may be: addresses, CIDR ranges, `loopback`, `private` or `any`. @default ["loopback", "private"] */
  allow?: readonly string[];
  /** Milliseconds after a heartbeat for which a service counts as healthy, unless it asks for others. @default 120000 */
  lease?: number;
  /** Milliseconds between two checks of each service, which say how it is and decide nothing; 0: none. @default 30000 */
  healthInterval?: number;
  /** Milliseconds a check may take. @default 5000 */
  healthTimeout?: number;
  /** Milliseconds between two sweeps of what is counted by address; leases lapse on time, whatever it is. @default 60000 */
  cleanupInterval?: number;
  limits?: RegistryLimits;
  /** A monotonic clock, in milliseconds. @default performance.now */
  now?: () => number;
}

export interface RegistryLimits {
  /** Services there may be. @default 20000 */
  entries?: number;
  /** Bytes of a request body. @default 65536 */
  body?: number;
  /** Writes per second of one address; ten seconds of them may come at once. @default 2000 */
  writes?: number;
  /** Clients that watch. @default 1000 */
  watchers?: number;
}

export interface RegistrySettings {
  readonly prefix: string;
  readonly storage: StorageOption;
  readonly token?: string | undefined;
  readonly writers: readonly string[];
  readonly allow: readonly string[];
  readonly lease: number;
  readonly healthInterval: number;
  readonly healthTimeout: number;
  readonly cleanupInterval: number;
  readonly limits: Required<RegistryLimits>;
  readonly now: () => number;
}

const whole = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));
const ranges = v.pipe(v.array(v.pipe(v.string(), v.check(isAddressRange, addressRangeHint))), v.readonly());

const most = v.strictObject({
  entries: v.optional(whole, 20_000),
  body: v.optional(whole, 65_536),
  writes: v.optional(whole, 2_000),
  watchers: v.optional(
    v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(0, "Expected 0 or more")),
    1_000,
  ),
} satisfies { [K in keyof Required<RegistryLimits>]: v.GenericSchema<RegistryLimits[K], unknown> });

const schema: v.GenericSchema<RegistryOptions, RegistrySettings> = v.strictObject({
  prefix: v.optional(
    v.pipe(v.string(), v.regex(/^(\/[^/\s?#:*]+)*$/, "Expected a path such as /registry, or none")),
    "",
  ),
  storage: v.optional(
    v.custom<StorageOption>(
      (value) => whyNoStorage(value) === undefined,
      'Expected "memory", "file:./directory", "redis://host:6379" or a storage of unstorage',
    ),
    "memory",
  ),
  token: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[\x21-\x7e]+$/, "Expected letters, digits and signs without spaces"),
      v.minLength(16, "Expected 16 characters or more, such as those of: openssl rand -hex 32"),
    ),
  ),
  writers: v.optional(ranges, ["loopback"]),
  allow: v.optional(ranges, ["loopback", "private"]),
  lease: v.optional(v.pipe(whole, v.minValue(1_000, "Expected 1000 or more"), v.maxValue(86_400_000)), 120_000),
  healthInterval: v.optional(v.pipe(v.number(), v.minValue(0, "Expected milliseconds, 0 or more")), 30_000),
  healthTimeout: v.optional(whole, 5_000),
  cleanupInterval: v.optional(whole, 60_000),
  limits: v.optional(most, {}),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that tells the time"),
    () => () => performance.now(),
  ),
} satisfies { [K in keyof Required<RegistryOptions>]: v.GenericSchema<RegistryOptions[K], unknown> });

/**
 * Serves a registry in which services announce themselves and are found.
 *
 * A service registers with `POST /services`, keeps its lease by `POST /services/{name}/heartbeat`, counts as unhealthy when
 * that lapses and is forgotten after two and a half leases. `GET /services` lists them, with an ETag, or with `?watch=true`
 * as a stream of changes. Whoever registered a name keeps it for as long as its lease holds. Services may only be where
 * `allow` says, now and whenever they are checked. Without a token only this machine may write. Reading is open: metadata
 * is no place for secrets, and a proxy that others can reach wants a guard before it. It outlives a reload of the config,
 * with what is in it; what is in it outlives a restart if there is a storage. A storage that fails loses nothing that is in
 * memory, and `/health` tells it.
 *
 * @example
 * registry({ storage: "file:./registry", token: env("REGISTRY_TOKEN"), allow: ["private"] });
 */
export const registry: (options?: RegistryOptions) => Plugin = definePlugin({
  name: "registry",
  options: schema,
  async setup(proxy, settings) {
    // Most configs have no registry, and its insides are not for them to load.
    const { serveRegistry } = await import("./_registry-serve.ts");
    serveRegistry(proxy, settings);
  },
});
