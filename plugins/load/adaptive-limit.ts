import * as v from "valibot";
import { definePlugin, type Plugin, type Setup, type Target, type TargetStats } from "../../core/index.ts";
import { count, createRecord, judge, limitNow, type LimitRecord } from "./_adaptive-rules.ts";

export interface AdaptiveLimitOptions {
  /**
   * `gradient`: down when heads take longer than they do without load, else up; `aimd`: up by one while all is well,
   * down by a tenth when the target drops something. @default "gradient"
   */
  by?: "gradient" | "aimd";
  /** Attempts at once that a target may always have. @default 3 */
  min?: number;
  /** Attempts at once that it never has more of. @default 1000 */
  max?: number;
  /** What it begins with. @default 20 */
  initial?: number;
  /** 1 to 1.9: how many times as long as without load heads may take before `gradient` goes down. @default 1.5 */
  tolerance?: number;
  /** The one pool to look after. @default every pool */
  pool?: string;
  /** @default performance.now */
  now?: () => number;
}

type Settings = Required<Omit<AdaptiveLimitOptions, "pool">> & { readonly pool?: string | undefined };

const whole = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));

const schema: v.GenericSchema<AdaptiveLimitOptions, Settings> = v.pipe(
  v.strictObject({
    by: v.optional(v.picklist(["gradient", "aimd"], 'Expected "gradient" or "aimd"'), "gradient"),
    min: v.optional(whole, 3),
    max: v.optional(whole, 1_000),
    initial: v.optional(whole, 20),
    tolerance: v.optional(
      v.pipe(v.number(), v.minValue(1, "Expected 1 to 1.9"), v.maxValue(1.9, "Expected 1 to 1.9")),
      1.5,
    ),
    pool: v.optional(v.pipe(v.string(), v.nonEmpty("Expected the name of a pool"))),
    now: v.optional(
      v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
      () => () => performance.now(),
    ),
  } satisfies Record<keyof AdaptiveLimitOptions, unknown>),
  v.check(({ min, max }) => min <= max, "Expected a min that is not above max"),
);

/**
 * Limits the attempts at once of each target to what it can take.
 *
 * Once a second, and after ten answers, a target that was at least half full gets a new limit. What it drops, by a
 * time-out, a reset, 429 or 503, takes a tenth off. By `gradient` the time to the response head counts as well, against
 * what it is without load; a target that is never without is held to half its limit for a moment once a minute to see
 * it. Client errors and clients that leave say nothing. A target that is full is passed over; when all are,
 * requests are refused as `overloaded`, or wait in `queue`. Limits outlive reloads.
 *
 * For upstreams whose capacity is not known or changes; where it is known, `maxConcurrency` of the target is simpler,
 * and both hold together. The time to the head has to tell of load: an upstream that sends its head at once and then
 * makes its client wait needs `aimd`.
 *
 * Sources: Netflix concurrency-limits (Gradient2Limit, AIMDLimit); in place of its long average, which under lasting
 * load becomes the load's, the baseline is looked for as in BBR and Envoy's adaptive concurrency.
 *
 * @example
 * adaptiveLimit({ min: 2, max: 200, pool: "gpus" });
 */
export const adaptiveLimit: (options?: AdaptiveLimitOptions) => Plugin = definePlugin({
  name: "adaptive-limit",
  options: schema,
  setup(proxy, settings) {
    const only = settings.pool === undefined ? undefined : [proxy.pool(settings.pool)];
    const { now } = settings;
    const limits = createLimits(proxy, settings);

    proxy.onReady(() => {
      const pools = only ?? proxy.pools();
      for (const pool of proxy.pools()) if (!pools.includes(pool)) pool.snapshot.all.forEach(limits.release);
      for (const pool of pools) {
        pool.onChange(({ all }) => all.forEach(limits.adopt));
        pool.snapshot.all.forEach(limits.adopt);
      }
    });

    return {
      attemptEnd(_, target, outcome) {
        const record = limits.recordOf(target);
        const what = judge(outcome);
        if (record === undefined || what === undefined) return undefined;
        // It is no longer among them.
        const inflight = target.live.inflight + 1;
        count(record, { what, ttfb: outcome.ttfb, inflight }, now(), settings);
        limits.tell(target, record);
        return undefined;
      },
    };
  },
});

interface Limits {
  /** Undefined: it is not looked after. */
  recordOf(target: Target): LimitRecord | undefined;
  readonly adopt: (target: Target) => void;
  /** It was looked after before a reload. */
  readonly release: (target: Target) => void;
  tell(target: Target, record: LimitRecord): void;
}

function createLimits(proxy: Setup, settings: Settings): Limits {
  const { min, max, initial, now } = settings;
  const reporter = proxy.reporter("adaptive-limit");
  const records = proxy.keep("records", () => new WeakMap<Readonly<TargetStats>, LimitRecord>());
  /** By this generation. */
  const told = new WeakMap<Readonly<TargetStats>, number>();

  function tell({ id, live }: Target, record: LimitRecord): void {
    const limit = limitNow(record, settings);
    if (told.get(live) === limit) return;
    told.set(live, limit);
    reporter.limit(id, limit);
  }

  return {
    recordOf: ({ live }) => (told.has(live) ? records.get(live) : undefined),
    adopt(target) {
      // Not all of them look for their baseline at once.
      const record = records.get(target.live) ?? createRecord(initial, now() - proxy.random() * 30_000);
      records.set(target.live, record);
      record.limit = Math.min(max, Math.max(min, record.limit));
      tell(target, record);
    },
    release({ id, live }) {
      if (records.delete(live)) reporter.limit(id, undefined);
    },
    tell,
  };
}
