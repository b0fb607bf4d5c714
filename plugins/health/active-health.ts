import * as v from "valibot";
import { definePlugin, type Plugin, type Pool, type Target } from "../../core/index.ts";
import { createChecks } from "./_checks.ts";
import { tellPass } from "./_outlier-passes.ts";
import { createProber, type Expected, type ProbeSettings } from "./_probe.ts";

export interface ActiveHealthOptions {
  /**
   * What is asked for, from the root of the target's origin: its base path is not put before it, because inference
   * servers answer `/health` beside `/v1`, not below. @default "/health"
   */
  path?: string;
  /** Milliseconds between two probes of a target. @default 5000 */
  interval?: number;
  /** Milliseconds a whole probe may take, connection and body included. @default 2000 */
  timeout?: number;
  /** Failures in a row that take a target down. @default 3 */
  fall?: number;
  /** Passes in a row that bring it back. @default 2 */
  rise?: number;
  /** 0..1: the share of the interval by which each round is moved at random. @default 0.2 */
  jitter?: number;
  /** The one pool to look at. @default every pool */
  pool?: string;
  /** Statuses that pass, each one status or an inclusive range `[from, to]`. @default [[200, 299]] */
  expect?: readonly Expected[];
  /** Sent with each probe. @default none */
  headers?: Readonly<Record<string, string>>;
  /** Bytes of an answer's body that are read; the rest is left. @default 64 KiB */
  maxBytes?: number;
}

interface Settings extends ProbeSettings {
  readonly interval: number;
  readonly fall: number;
  readonly rise: number;
  readonly jitter: number;
  readonly pool?: string | undefined;
}

const whole = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));
const status = v.pipe(
  whole,
  v.minValue(100, "Expected a status of 100 to 599"),
  v.maxValue(599, "Expected a status of 100 to 599"),
);

const schema: v.GenericSchema<ActiveHealthOptions, Settings> = v.strictObject({
  path: v.optional(v.pipe(v.string(), v.regex(/^\/[!-~]*$/, "Expected a path such as /health")), "/health"),
  interval: v.optional(whole, 5_000),
  timeout: v.optional(whole, 2_000),
  fall: v.optional(whole, 3),
  rise: v.optional(whole, 2),
  jitter: v.optional(v.pipe(v.number(), v.minValue(0, "Expected 0 to 1"), v.maxValue(1, "Expected 0 to 1")), 0.2),
  pool: v.optional(v.pipe(v.string(), v.nonEmpty("Expected the name of a pool"))),
  expect: v.optional(
    v.pipe(v.array(v.union([status, v.tuple([status, status])])), v.minLength(1, "Expected one status or more")),
    [[200, 299]],
  ),
  headers: v.optional(v.record(v.string(), v.string()), {}),
  maxBytes: v.optional(whole, 65_536),
} satisfies { [K in keyof Required<ActiveHealthOptions>]: v.GenericSchema<ActiveHealthOptions[K], unknown> });

/**
 * Probes each target with a GET and takes it out of rotation while that fails.
 *
 * The first probe of a target counts at once, in both directions, and the proxy is ready only after the first round;
 * afterwards `fall` and `rise` count. A target that discovery adds later is probed at once. After a reload, a target
 * that has served already must fail `fall` times like before. The status decides; the body only has to arrive, as far
 * as it is read. A redirect is an answer like any other and is not followed. Not for upstreams where every request
 * costs, such as paid APIs: there the traffic itself has to tell.
 *
 * @example
 * activeHealth({ path: "/health", interval: 5_000, timeout: 2_000, fall: 3, rise: 2 });
 */
export const activeHealth: (options?: ActiveHealthOptions) => Plugin = definePlugin({
  name: "active-health",
  options: schema,
  setup(proxy, options) {
    const { fall, rise, interval, jitter } = options;
    const reporter = proxy.reporter("active-health");
    const prober = createProber(options);
    const checks = createChecks({
      fall,
      rise,
      prober,
      passed: tellPass,
      turned(id, failure, first) {
        if (failure === undefined) reporter.up(id);
        else reporter.down(id, failure);
        if (failure !== undefined) proxy.log.warn(`target ${id} is down: ${failure}`);
        else if (!first) proxy.log.info(`target ${id} is up again`);
      },
    });
    const only = options.pool === undefined ? undefined : proxy.pool(options.pool);
    let pools: readonly Pool[] = [];
    const follow = (trusted?: ReadonlySet<Target>): Promise<void> =>
      checks.follow(
        pools.flatMap((pool) => pool.snapshot.all),
        trusted,
      );

    async function round(): Promise<void> {
      // Later rounds are not waited for: a slow target must not hold back the next probe of the others.
      if (pools.length > 0) return checks.round(interval / 2);
      pools = only === undefined ? proxy.pools() : [only];
      for (const pool of pools) pool.onChange(() => void follow());
      await follow(serving(pools));
    }

    proxy.every(interval, round, { immediate: true, jitter });
    proxy.signal.addEventListener("abort", () => checks.stop(), { once: true });
    proxy.onClose(() => prober.close());
  },
});

/** Targets that are up and have been asked before: those of a reload, whose first slow answer must not take them down. */
function serving(pools: readonly Pool[]): ReadonlySet<Target> {
  const available = pools.flatMap((pool) => pool.snapshot.available);
  return new Set(available.filter(({ live }) => live.requests > 0));
}
