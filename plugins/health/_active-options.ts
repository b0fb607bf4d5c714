import * as v from "valibot";
import type { Expected, ProbeSettings } from "./_probe.ts";

/** How targets are asked. */
export interface CheckOptions {
  /** `tcp`: only whether they take a connection; `path` and what else is about HTTP then counts for nothing. @default "http" */
  type?: "http" | "tcp";
  /** Neither has a body, so that no probe can be a completion. @default "GET" */
  method?: "GET" | "HEAD";
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
  /** Statuses that pass, each one status or an inclusive range `[from, to]`. @default [[200, 299]] */
  expect?: readonly Expected[];
  /** What the body must hold, within `maxBytes`. @default anything */
  body?: string | RegExp;
  /** Sent with each probe. @default none */
  headers?: Readonly<Record<string, string>>;
  /** Bytes of an answer's body that are read; the rest is left. @default 64 KiB */
  maxBytes?: number;
}

export interface ActiveHealthOptions extends CheckOptions {
  /** 0..1: the share of the interval by which each round is moved at random. @default 0.2 */
  jitter?: number;
  /** The one pool to look at. @default every pool */
  pool?: string;
  /** By the id of a target: what is different about it; false: it is not probed. @default none */
  targets?: Readonly<Record<string, false | CheckOptions>>;
}

/** One way of asking, complete. */
export interface CheckSettings extends ProbeSettings {
  readonly interval: number;
  readonly fall: number;
  readonly rise: number;
}

export interface ActiveHealthSettings {
  readonly jitter: number;
  readonly pool: string | undefined;
  /** For all targets that are not among the others. */
  readonly usual: CheckSettings;
  /** By the id of a target; false: it is not probed. */
  readonly targets: ReadonlyMap<string, false | CheckSettings>;
}

const usual: CheckSettings = {
  type: "http",
  method: "GET",
  path: "/health",
  interval: 5_000,
  timeout: 2_000,
  fall: 3,
  rise: 2,
  expect: [[200, 299]],
  body: undefined,
  headers: {},
  maxBytes: 65_536,
};

const whole = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));
const milliseconds = v.optional(v.pipe(whole, v.maxValue(2 ** 31 - 1, "Expected 2147483647 or less")));
const status = v.pipe(
  whole,
  v.minValue(100, "Expected a status of 100 to 599"),
  v.maxValue(599, "Expected a status of 100 to 599"),
);
const headerName = v.pipe(v.string(), v.regex(/^[\w!#$%&'*+.^`|~-]+$/, "Expected the name of a header"));
const headerValue = v.pipe(v.string(), v.regex(/^[\t\u0020-\u007e\u0080-\u00ff]*$/, "Expected the value of a header"));

const checkEntries = {
  type: v.optional(v.picklist(["http", "tcp"], 'Expected "http" or "tcp"')),
  method: v.optional(v.picklist(["GET", "HEAD"], 'Expected "GET" or "HEAD"')),
  path: v.optional(v.pipe(v.string(), v.regex(/^\/[!-~]*$/, "Expected a path such as /health"))),
  interval: milliseconds,
  timeout: milliseconds,
  fall: v.optional(whole),
  rise: v.optional(whole),
  expect: v.optional(
    v.pipe(v.array(v.union([status, v.tuple([status, status])])), v.minLength(1, "Expected one status or more")),
  ),
  body: v.optional(
    v.union(
      [v.pipe(v.string(), v.nonEmpty("Expected a text, or a RegExp")), v.instance(RegExp)],
      "Expected a text, or a RegExp",
    ),
  ),
  headers: v.optional(v.record(headerName, headerValue)),
  maxBytes: v.optional(whole),
} satisfies { [K in keyof Required<CheckOptions>]: v.GenericSchema<CheckOptions[K], unknown> };

const override: v.GenericSchema<false | CheckOptions> = v.lazy((input) =>
  typeof input === "boolean" ? v.literal(false, "Expected false, or what is different") : v.strictObject(checkEntries),
);

const options = v.strictObject({
  ...checkEntries,
  jitter: v.optional(v.pipe(v.number(), v.minValue(0, "Expected 0 to 1"), v.maxValue(1, "Expected 0 to 1")), 0.2),
  pool: v.optional(v.pipe(v.string(), v.nonEmpty("Expected the name of a pool"))),
  targets: v.optional(v.record(v.string(), override), {}),
} satisfies { [K in keyof Required<ActiveHealthOptions>]: v.GenericSchema<ActiveHealthOptions[K], unknown> });

export const activeHealthSchema: v.GenericSchema<ActiveHealthOptions, ActiveHealthSettings> = v.pipe(
  options,
  v.transform(({ jitter, pool, targets, ...given }): ActiveHealthSettings => {
    const common = { ...usual, ...defined(given) };
    const own = Object.entries(targets).map(
      ([id, each]) => [id, each === false ? each : { ...common, ...defined(each) }] as const,
    );
    return { jitter, pool, usual: common, targets: new Map(own) };
  }),
);

/** What was written as undefined was not given. */
function defined(given: CheckOptions): Partial<CheckSettings> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
