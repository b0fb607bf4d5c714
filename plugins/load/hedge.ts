import * as v from "valibot";
import { definePlugin, type Exchange, type Plugin, type Target } from "../../core/index.ts";
import { createWaits } from "./_hedge-waits.ts";

export interface HedgeOptions {
  /**
   * Milliseconds without an answer; or `"p50"` to `"p99"`: the time within which so many of a hundred of the route's
   * latest answers began. @default "p95"
   */
  after?: number | `p${number}`;
  /** Milliseconds that such a time counts as at least. @default 50 */
  min?: number;
  /** Of the requests that may be sent twice; with POST, PUT or PATCH their JSON bodies are read whole. @default GET, HEAD, OPTIONS */
  methods?: readonly string[];
  /** A clock in milliseconds. @default performance.now */
  now?: () => number;
}

interface Settings {
  readonly after: number | `p${number}`;
  readonly min: number;
  readonly methods: ReadonlySet<string>;
  readonly now: () => number;
}

const duration = v.pipe(
  v.number("Expected milliseconds, or p50 to p99"),
  v.minValue(0, "Expected milliseconds, 0 or more"),
  v.maxValue(2 ** 31 - 1, "Expected milliseconds, 2147483647 at most: what a timer can wait"),
);
const percentile = v.custom<`p${number}`>(
  (value) => typeof value === "string" && /^p[5-9]\d$/.test(value),
  "Expected milliseconds, or p50 to p99",
);
const method = v.picklist(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]);

const schema: v.GenericSchema<HedgeOptions, Settings> = v.strictObject({
  after: v.optional(
    v.lazy((input): v.GenericSchema<number | `p${number}`> => (typeof input === "string" ? percentile : duration)),
    "p95",
  ),
  min: v.optional(duration, 50),
  methods: v.pipe(
    v.optional(v.pipe(v.array(method), v.minLength(1, "Expected one method or more")), ["GET", "HEAD", "OPTIONS"]),
    v.transform((list) => new Set<string>(list)),
  ),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
    () => () => performance.now(),
  ),
} satisfies Record<keyof HedgeOptions, unknown>);

/**
 * Asks a second target when the first is slow, and takes the first answer.
 *
 * The other attempt is cancelled as soon as an answer is good, and an answer that has begun is never left. It cuts the
 * longest waits, those for a target that hangs or has a bad moment. A percentile is that of the times to the response
 * head, per route; before 20 answers of a route nothing of it is hedged. A route with quick and slow requests, such as
 * streams and whole completions, has no usual time: give milliseconds there, or a route to each.
 *
 * Each hedged request is work for two targets, which bill both; one that is cancelled may finish all the same. With "p95"
 * that is one request in twenty, and never more than the retry budget allows, a fifth, which true retries then lack. Not
 * for targets that are slow because they are busy, nor for what `disaggregate` sends. POST is therefore not among the
 * methods unless you name it, and then only for what may happen twice. A request is hedged once, in its first attempt,
 * and only if its body is whole: there is none, it is JSON and POST was named, or another plugin reads it.
 *
 * Source: Dean and Barroso, The Tail at Scale (2013); as Envoy's `hedge_policy` and gRPC's `hedgingPolicy` do.
 *
 * @example
 * hedge({ after: "p95", methods: ["GET", "POST"] });
 */
export const hedge: (options?: HedgeOptions) => Plugin = definePlugin({
  name: "hedge",
  options: schema,
  setup(proxy, options) {
    const { methods, now } = options;
    if (["POST", "PUT", "PATCH"].some((name) => methods.has(name))) proxy.needs({ body: "json" });
    const watches = proxy.slot<Watch>("hedge-watch");
    const waits = createWaits(
      proxy.keep("times", () => new Map()),
      options,
    );

    const send = (x: Exchange): void => void proxy.hedge(x);

    return {
      upstreamRequest(x) {
        if (!methods.has(x.method) || !canBeSentTwice(x)) return;
        x.notes?.push(toNote(waits.of(x), options.after));
        // The second attempt is prepared by the same hooks.
        if (x.attempt !== 1 || watches.get(x)?.over === false) return;
        const wait = waits.of(x);
        const timer = wait === undefined ? undefined : setTimeout(send, wait, x);
        watches.set(x, { target: x.target, since: now(), timer, over: false });
      },
      upstreamResponse(x, { status }) {
        const watch = watches.get(x);
        if (watch === undefined || watch.over) return;
        clearTimeout(watch.timer);
        // A refusal comes fast: it says nothing of how fast answers are.
        if (status >= 400) return;
        watch.over = true;
        // Of another target it is what the first would have taken at least, so that hedging does not hide the slow ones.
        waits.add(x, now() - watch.since);
      },
      attemptEnd(x, { id }) {
        const watch = watches.get(x);
        if (watch?.target?.id === id) end(watch);
        return undefined;
      },
      end(x) {
        end(watches.get(x));
        return undefined;
      },
    };
  },
});

/** The first attempt of a request. */
interface Watch {
  readonly target: Target | undefined;
  readonly since: number;
  readonly timer: NodeJS.Timeout | undefined;
  /** Answered or ended. */
  over: boolean;
}

/** What need not be watched, because core would refuse it in any case. */
function canBeSentTwice({ route, upstream, headers }: Exchange): boolean {
  return upstream.body !== "stream" && headers.upgrade === undefined && (route?.candidates().length ?? 0) > 1;
}

function end(watch: Watch | undefined): void {
  if (watch === undefined) return;
  clearTimeout(watch.timer);
  watch.over = true;
}

function toNote(wait: number | undefined, after: Settings["after"]): string {
  if (wait === undefined) return `hedge: not before more answers of the route were timed, for their ${after}`;
  return `hedge: another target is asked after ${wait} ms without an answer`;
}
