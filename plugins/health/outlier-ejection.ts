import * as v from "valibot";
import { definePlugin, type Exchange, type Outcome, type Plugin, type Pool, type Target } from "../../core/index.ts";
import {
  count,
  excess,
  type Fault,
  faultOf,
  type FaultRules,
  isAnswered,
  isGood,
  type Limits,
} from "./_outlier-record.ts";
import { createRotation, type RotationSettings } from "./_outlier-rotation.ts";
import { createTrials, type Memory } from "./_outlier-trials.ts";

export interface OutlierEjectionOptions {
  /** Failures on end that eject a target. @default 5 */
  consecutive?: number;
  /** 0..1: the share of failed requests within the window that ejects a target. @default 0.3 */
  rate?: number;
  /** Requests within the window below which their share says nothing. @default 10 */
  minimum?: number;
  /** Milliseconds that the share is taken over. @default 60000 */
  window?: number;
  /** Statuses that are failures, of 500 to 599. @default [502, 503, 504] */
  statuses?: readonly number[];
  /** What a failure of each kind counts for; 0: nothing. @default 1 each */
  weights?: Readonly<Partial<Record<Fault, number>>>;
  /** Milliseconds of the first ejection; the second takes twice as long, and so on. @default 30000 */
  duration?: number;
  /** Milliseconds of an ejection at most, before the jitter. @default 300000 */
  maxDuration?: number;
  /** 0..1: the share by which each ejection is longer or shorter at random. @default 0.1 */
  jitter?: number;
  /** 0..1: the share of a pool that may be out at once; one target may go whatever it is. @default 0.5 */
  share?: number;
  /** With too few usable targets `fail` changes nothing, and `all` ejects none and takes back all. @default "fail" */
  panic?: "fail" | "all";
  /** 0..1: the share of a pool below which too few are usable. @default 0.5 */
  panicBelow?: number;
  /** A passed active check ends an ejection at once; the next request is still a trial. @default true */
  activeChecks?: boolean;
  /** The one pool to look after. @default every pool */
  pool?: string;
  /** @default performance.now */
  now?: () => number;
}

interface Settings extends RotationSettings, Limits, FaultRules {
  readonly pool?: string | undefined;
}

const whole = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));
const share = v.pipe(v.number(), v.minValue(0, "Expected 0 to 1"), v.maxValue(1, "Expected 0 to 1"));
const rate = v.pipe(share, v.gtValue(0, "Expected more than 0"));
const weight = v.optional(v.pipe(v.number(), v.minValue(0, "Expected 0 or more"), v.finite("Expected 0 or more")), 1);
const status = v.pipe(
  whole,
  v.minValue(500, "Expected a status of 500 to 599"),
  v.maxValue(599, "Expected a status of 500 to 599"),
);
const weights = v.strictObject({
  connect: weight,
  reset: weight,
  timeout: weight,
  status: weight,
  stalled: weight,
  "stream-error": weight,
} satisfies Record<Fault, unknown>);

const schema: v.GenericSchema<OutlierEjectionOptions, Settings> = v.strictObject({
  consecutive: v.optional(whole, 5),
  rate: v.optional(rate, 0.3),
  minimum: v.optional(whole, 10),
  window: v.optional(whole, 60_000),
  statuses: v.pipe(
    v.optional(v.array(status), [502, 503, 504]),
    v.transform((list) => new Set(list)),
  ),
  weights: v.optional(weights, {}),
  duration: v.optional(whole, 30_000),
  maxDuration: v.optional(whole, 300_000),
  jitter: v.optional(share, 0.1),
  share: v.optional(share, 0.5),
  panic: v.optional(v.picklist(["fail", "all"], 'Expected "fail" or "all"'), "fail"),
  panicBelow: v.optional(share, 0.5),
  activeChecks: v.optional(v.boolean(), true),
  pool: v.optional(v.pipe(v.string(), v.nonEmpty("Expected the name of a pool"))),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
    () => () => performance.now(),
  ),
} satisfies Record<keyof OutlierEjectionOptions, unknown>);

/**
 * Takes a target out of rotation while requests to it fail.
 *
 * What counts is how an attempt ended, at the end of its stream: no connection, a reset, no answer in time, one of
 * `statuses`, a stream that broke or fell silent, or one that ended with an error event, which needs `sse`. What the
 * client or a plugin did never counts; a refusal below 500 counts neither way, and 429 is `coolDown`'s. After the
 * ejection requests try the target one at a time, the others go elsewhere; the first whose answer is no failure brings
 * it back, a failure ejects it for longer. Each `duration` in rotation takes one ejection off the count. A trial that
 * lasts longer than `duration` makes room for another one.
 *
 * Never the last usable target of a pool, nor of the route that the failed request took. For any upstream, paid ones
 * too: it costs no request. Not in place of `activeHealth`: a target without traffic is not looked at. Place it before
 * plugins that take their time in `upstreamRequest`, or two requests may try a target at once. Limits and times are
 * those of Envoy's outlier detection (`outlier_detection.proto`) and of YARP's passive health checks.
 *
 * @example
 * outlierEjection({ consecutive: 3, statuses: [500, 502, 503, 504], weights: { "stream-error": 0.5 } });
 */
export const outlierEjection: (options?: OutlierEjectionOptions) => Plugin = definePlugin({
  name: "outlier-ejection",
  options: schema,
  setup(proxy, options) {
    const memory = proxy.keep<Memory>("memory", () => ({ records: new WeakMap(), outs: new Set(), version: 0 }));
    const only = options.pool === undefined ? undefined : [proxy.pool(options.pool)];
    const pools = (): readonly Pool[] => only ?? proxy.pools();
    const trials = createTrials(memory, options);
    const rotation = createRotation(options, {
      memory,
      reporter: proxy.reporter("outlier-ejection"),
      random: proxy.random,
      pools,
      told: (sentence, bad) => (bad ? proxy.log.warn(sentence) : proxy.log.info(sentence)),
    });

    /** The end of a request to a target that is out; only one on trial says anything. */
    function judge(x: Exchange, target: Target, outcome: Outcome, fault: number): undefined {
      const record = rotation.recordOf(target);
      if (!trials.end(record, x)) return undefined;
      if (fault > 0) rotation.eject(target, `a trial request failed (${outcome.kind})`, x.route);
      else if (isAnswered(outcome)) rotation.readmit(record);
      return undefined;
    }

    /** That an upstream ended its stream with an error event, which `sse` notes. */
    const failed = proxy.slot<boolean>("stream-failed");

    proxy.provide("grudge", "outlier-ejection", { forget: (target) => rotation.pardon(target) });

    proxy.onReady(() => {
      for (const pool of pools()) pool.onChange(() => rotation.review());
    });

    return {
      candidates: (_, targets) => trials.narrow(targets),
      upstreamRequest(x) {
        if (memory.outs.size > 0 && x.target !== undefined && x.notes === undefined) trials.begin(x.target, x);
      },
      attemptEnd(x, target, outcome) {
        const told = failed.get(x) === true && outcome.kind === "ok";
        const fault = told ? options.weights["stream-error"] : faultOf(outcome, options);
        const record = rotation.recordOf(target);
        if (record.out) return judge(x, target, outcome, fault);
        if (fault === 0 && !isGood(outcome)) return undefined;
        count(record, fault, options.now(), options);
        const why = fault === 0 ? undefined : excess(record, options);
        if (why !== undefined)
          rotation.eject(target, `${why}, the last: ${told ? "stream-error" : outcome.kind}`, x.route);
        return undefined;
      },
    };
  },
});
