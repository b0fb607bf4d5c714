import * as v from "valibot";
import { addressRangeHint, definePlugin, isAddressRange, type Plugin, type TargetSpec } from "../../core/index.ts";
import { registryTargets } from "../discovery/registry-targets.ts";
import { openaiErrors } from "../errors/openai-errors.ts";
import { activeHealth } from "../health/active-health.ts";
import { model } from "../resolve/model.ts";
import { fallback } from "../select/fallback.ts";
import { roundRobin } from "../select/round-robin.ts";
import { session } from "../select/session.ts";
import { size } from "../select/size.ts";
import { infinilmStatus } from "../stats/infinilm-status.ts";
import { models } from "../stats/models.ts";
import { sse } from "../stream/sse.ts";
import { failedConnects } from "./_failed-connects.ts";
import { readServices } from "./_read-services.ts";
import type { StaticService } from "./_static-services.ts";
import { timedTargets } from "./_timed-targets.ts";

export type { StaticService } from "./_static-services.ts";

export interface InfinilmOptions {
  /** Of the registry, such as `http://127.0.0.1:18000`; of several that are one, all. @default none */
  registryUrl?: string | readonly string[];
  /** Milliseconds between two looks at a registry that does not tell of changes by itself. @default 10000 */
  registrySyncInterval?: number;
  /** Milliseconds that a service is kept which the registry no longer lists. @default 60000 */
  removalGracePeriod?: number;
  /** Where its services may be: addresses, CIDR ranges, `loopback`, `private` or `any`. @default ["loopback", "private"] */
  allow?: readonly string[];
  /**
   * Services beside those of the registry, or a JSON file of them: a list, `{ services }` or
   * `{ static_services: { services } }`. They are never removed, and speak for a registered one of the same name.
   * @default none
   */
  staticServices?: string | readonly StaticService[];
  /** Milliseconds between two probes of a service. @default 30000 */
  healthInterval?: number;
  /** Milliseconds a probe may take. @default 5000 */
  healthTimeout?: number;
  /** Failures in a row that take a service out: of probes, or of connects for requests. @default 3 */
  maxErrors?: number;
  /** Milliseconds until the response head, and of silence after it; 0 is no limit. @default 1800000 */
  proxyTimeout?: number;
  /** Bytes of text up to which a request goes to `cache_type` "paged", and above to "static". @default 51200 */
  cacheTypeThreshold?: number;
}

type Settings = Required<Omit<InfinilmOptions, "registryUrl" | "staticServices">> &
  Pick<InfinilmOptions, "registryUrl" | "staticServices">;

const milliseconds = v.pipe(
  v.number(),
  v.integer("Expected whole milliseconds"),
  v.minValue(1, "Expected 1 millisecond or more"),
);
const orZero = v.pipe(
  v.number(),
  v.integer("Expected whole milliseconds"),
  v.minValue(0, "Expected 0 or more milliseconds"),
);

const registryHint = "Expected a URL such as http://127.0.0.1:18000, without query or credentials";
const registryUrl = v.pipe(v.string(), v.check(isRegistryUrl, registryHint));

const servicesHint = "Expected the path of a JSON file, or a list of services";

const schema: v.GenericSchema<InfinilmOptions, Settings> = v.strictObject({
  registryUrl: v.optional(
    v.lazy((input) =>
      Array.isArray(input) ? v.pipe(v.array(registryUrl), v.minLength(1, registryHint)) : registryUrl,
    ),
  ),
  registrySyncInterval: v.optional(milliseconds, 10_000),
  removalGracePeriod: v.optional(orZero, 60_000),
  allow: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.check(isAddressRange, addressRangeHint))),
      v.minLength(1, "Expected one range or more"),
    ),
    ["loopback", "private"],
  ),
  staticServices: v.optional(
    v.union(
      [
        v.pipe(v.string(), v.nonEmpty(servicesHint)),
        v.pipe(
          v.array(v.any()), // Entry by entry they are looked at where a file's are, with the same words.
          v.transform((list) => list as readonly StaticService[]),
        ),
      ],
      servicesHint,
    ),
  ),
  healthInterval: v.optional(milliseconds, 30_000),
  healthTimeout: v.optional(milliseconds, 5_000),
  maxErrors: v.optional(
    v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more")),
    3,
  ),
  proxyTimeout: v.optional(orZero, 1_800_000),
  cacheTypeThreshold: v.optional(v.pipe(v.number(), v.minValue(0, "Expected bytes, 0 or more")), 51_200),
} satisfies Record<keyof InfinilmOptions, unknown>);

/** InfiniLM's own, for connections to a service. */
const connectTimeout = 5_000;

/** Milliseconds for which failed connects take a service out: as long as it stays out in InfiniLM between two syncs. */
const connectPause = 10_000;

/**
 * Puts together all that takes the place of InfiniLM's router.
 *
 * Services of a registry, of a file or both; by the model's name, then by `cache_type` and the size of the text, then by
 * session, else in turns; its pages and its flat errors. Where the original was at fault this differs: what is up is
 * decided by probes of the service itself, `/v1/models` is the whole list, a POST is not repeated once it was sent.
 * Selectors of the config's own stand before it, as the first counts; what it brings cannot stand beside it again.
 *
 * @example
 * defineProxy({
 *   port: 8080,
 *   host: "0.0.0.0",
 *   plugins: [infinilm({ registryUrl: "http://127.0.0.1:18000", staticServices: "static-services.json" })],
 * });
 */
export const infinilm: (options?: InfinilmOptions) => readonly Plugin[] = (options = {}) => {
  const { success, output } = v.safeParse(schema, options);
  // The first refuses them, by the name of the option that was given; of the others each would do so once more.
  if (!success) return [services(options)];
  const { registryUrl: urls = [], healthInterval, healthTimeout, maxErrors, proxyTimeout, cacheTypeThreshold } = output;
  const registries = [urls].flat();
  const [first] = registries;
  return [
    services(options),
    ...(first === undefined ? [] : [registered(output, registries)]),
    activeHealth({
      path: "/health",
      // An engine without that path answers, too.
      expect: [[200, 499]],
      interval: healthInterval,
      timeout: healthTimeout,
      fall: maxErrors,
      rise: 1,
    }),
    failedConnects({ fall: maxErrors, pause: connectPause }),
    fallback(
      size({ threshold: cacheTypeThreshold, strict: true, inner: roundRobin() }),
      session({ key: ["body:prompt_cache_key", "forwarded"], inner: roundRobin() }),
    ),
    model({ unknown: 503 }),
    models(),
    sse({ idle: proxyTimeout }),
    openaiErrors({ flat: true }),
    infinilmStatus(first === undefined ? {} : { registryUrl: first }),
  ];
};

function registered(settings: Settings, url: readonly string[]): Plugin {
  const { registrySyncInterval, removalGracePeriod, allow } = settings;
  return timedTargets({
    source: registryTargets({ url, interval: registrySyncInterval, grace: removalGracePeriod, allow }),
    timeouts: timeoutsOf(settings),
  });
}

/** The options of the whole preset, so that what is wrong with one is told in its words, and the services in them. */
const services: (options: InfinilmOptions) => Plugin = definePlugin({
  name: "infinilm",
  options: schema,
  setup(proxy, options) {
    if (options.staticServices === undefined) return;
    const timeouts = timeoutsOf(options);
    const known = readServices(proxy, options.staticServices).map((target): TargetSpec => ({ ...target, timeouts }));
    proxy.provide("discovery", "static-services", { known, start: (sink) => sink.replace(known) });
  },
});

function isRegistryUrl(text: string): boolean {
  return /^https?:\/\/[^\s\\@?#/]+[^\s\\@?#]*$/i.test(text) && URL.canParse(text);
}

function timeoutsOf({ proxyTimeout }: Settings): NonNullable<TargetSpec["timeouts"]> {
  return { connect: connectTimeout, headers: proxyTimeout, idle: proxyTimeout };
}
