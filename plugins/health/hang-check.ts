import * as v from "valibot";
import { definePlugin, type Plugin, type Pool, type Target } from "../../core/index.ts";
import { createChecks } from "./_checks.ts";
import { createMetricsClient, type MetricsAnswer } from "./_metrics-client.ts";
import { advance, type Course, missReading, resetCourse, startCourse } from "./_metrics-course.ts";

export interface HangCheckOptions {
  /** Milliseconds between two readings of a target. @default 5000 */
  interval?: number;
  /** Milliseconds without a step, with work at hand, that are still no hang. @default 120000 */
  grace?: number;
  /** Readings in a row, beyond the grace, that take a target down. @default 3 */
  fall?: number;
  /** Where the metrics are, from the root of the target's origin. @default "/metrics" */
  path?: string;
  /** Milliseconds a whole reading may take, connection and body included. @default 5000 */
  timeout?: number;
  /** Bytes of metrics; of a target that has more nothing is known. @default 4 MiB */
  maxBytes?: number;
  /** The one pool to look at. @default every pool */
  pool?: string;
  /** Samples that rise with each step of the engine; those that are there are added up. @default vLLM's */
  counters?: readonly string[];
  /** Samples that are above 0 while requests run or wait. @default vLLM's */
  busy?: readonly string[];
  /** @default performance.now */
  now?: () => number;
}

type Settings = Omit<Required<HangCheckOptions>, "pool"> & Pick<HangCheckOptions, "pool">;

/** A histogram of the tokens of each step, whose count is that of the steps; a later name would lose the `_total`. */
const vllmCounters = ["vllm:iteration_tokens_total_count", "vllm:iteration_tokens_count"];
const vllmBusy = ["vllm:num_requests_running", "vllm:num_requests_waiting"];

const whole = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));
const name = v.pipe(v.string(), v.regex(/^[A-Za-z_:][\w:]*$/, "Expected the name of a sample, without labels"));
const names = v.pipe(v.array(name), v.minLength(1, "Expected one name or more"));

const schema: v.GenericSchema<HangCheckOptions, Settings> = v.strictObject({
  interval: v.optional(whole, 5_000),
  grace: v.optional(whole, 120_000),
  fall: v.optional(whole, 3),
  path: v.optional(v.pipe(v.string(), v.regex(/^\/[!-~]*$/, "Expected a path such as /metrics")), "/metrics"),
  timeout: v.optional(whole, 5_000),
  maxBytes: v.optional(whole, 4 * 1_048_576),
  pool: v.optional(v.pipe(v.string(), v.nonEmpty("Expected the name of a pool"))),
  counters: v.optional(names, vllmCounters),
  busy: v.optional(names, vllmBusy),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
    () => () => performance.now(),
  ),
} satisfies { [K in keyof Required<HangCheckOptions>]: v.GenericSchema<HangCheckOptions[K], unknown> });

/**
 * Takes a target down whose engine stands still with work at hand.
 *
 * A vLLM whose scheduler is deadlocked goes on answering `/health` with 200; what tells is that its steps are not counted
 * on while requests run or wait. A target is up until that is known of it, and again as soon as a step is counted, no
 * work is left, or the count falls, as it does with a new process. Metrics that cannot be read say nothing: the word on
 * the target stays, and the time does not count. Of a target without metrics, or without these names, nothing is ever
 * said; the log tells so once. Beside `activeHealth`, not in its place: this one does not see a target that is gone. The
 * engines of one target (data parallel) are added up, so that one of them may stand still unseen while others step.
 *
 * For vLLM as it is. For SGLang, whose counter moves each few dozen steps: see the example.
 *
 * @example
 * hangCheck({ counters: ["sglang:realtime_tokens_total"], busy: ["sglang:num_running_reqs", "sglang:num_queue_reqs"] });
 */
export const hangCheck: (options?: HangCheckOptions) => Plugin = definePlugin({
  name: "hang-check",
  options: schema,
  setup(proxy, options) {
    const { interval, counters, busy } = options;
    const reporter = proxy.reporter("hang-check");
    const courses = proxy.keep("courses", () => new Map<string, Course>());
    const client = createMetricsClient({ ...options, names: [...counters, ...busy] });
    const checks = createChecks({
      // The courses count the readings.
      fall: 1,
      rise: 1,
      prober: {
        async probe(target, cancel) {
          const course = courseOf(courses, target);
          const fault = note(course, await client.read(target, cancel), options);
          if (fault !== undefined) proxy.log.warn(`whether target ${target.id} hangs is not known: ${fault}`);
          return course.hung;
        },
        close: () => client.close(),
      },
      turned(id, hung, first) {
        if (hung === undefined) reporter.up(id);
        else reporter.down(id, hung);
        if (hung !== undefined) proxy.log.warn(`target ${id} hangs: ${hung}`);
        else if (!first) proxy.log.info(`target ${id} hangs no more`);
      },
    });
    const only = options.pool === undefined ? undefined : proxy.pool(options.pool);
    let pools: readonly Pool[] = [];
    const targets = (): readonly Target[] => pools.flatMap((pool) => pool.snapshot.all);

    function round(): void {
      if (pools.length > 0) {
        forget(courses, targets());
        return checks.round(interval / 2);
      }
      pools = only === undefined ? proxy.pools() : [only];
      for (const pool of pools) pool.onChange(() => void checks.follow(targets()));
      // Not waited for: until something is known of a target it is up.
      void checks.follow(targets());
    }

    proxy.every(interval, round, { immediate: true, jitter: 0.1 });
    proxy.signal.addEventListener("abort", () => checks.stop(), { once: true });
    proxy.onClose(() => client.close());
  },
});

/** Takes in what a target answered; why that says nothing, when it has not been told before. */
function note(course: Course, answer: MetricsAnswer, options: Settings): string | undefined {
  if (answer.kind === "silent") {
    missReading(course);
    return undefined;
  }
  if (answer.kind === "refused") missReading(course);
  else {
    const steps = sum(answer.sums, options.counters);
    const busy = sum(answer.sums, options.busy);
    if (steps !== undefined && busy !== undefined) {
      course.told = false;
      advance(course, { steps, busy }, options.now(), options);
      return undefined;
    }
    resetCourse(course);
  }
  if (course.told) return undefined;
  course.told = true;
  return `its ${options.path} ${answer.kind === "refused" ? answer.why : "has no such samples"}`;
}

/** Undefined when none of them is there. */
function sum(sums: ReadonlyMap<string, number>, wanted: readonly string[]): number | undefined {
  const found = wanted.flatMap((one) => sums.get(one) ?? []);
  return found.length === 0 ? undefined : found.reduce((total, value) => total + value, 0);
}

function courseOf(courses: Map<string, Course>, { id, origin }: Target): Course {
  let course = courses.get(id);
  if (course?.origin !== origin) courses.set(id, (course = startCourse(origin)));
  return course;
}

/** In rounds only: a config that is refused after all has begun none, and forgets nothing. */
function forget(courses: Map<string, Course>, targets: readonly Target[]): void {
  const present = new Set(targets.map(({ id }) => id));
  for (const id of courses.keys()) if (!present.has(id)) courses.delete(id);
}
