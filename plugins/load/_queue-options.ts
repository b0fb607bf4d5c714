import * as v from "valibot";
import type { Exchange } from "../../core/index.ts";

/** How long a line may get, and how long a request stands in it. */
export interface QueueLimits {
  /** Requests that may wait in one line; one more is refused with 429. @default 128 */
  size?: number;
  /** Milliseconds that a request may wait in all; then it is refused with 503. @default 30000 */
  wait?: number;
  /**
   * The lower, the sooner it is a request's turn; or the name of a header that says so in digits, for which the client
   * has to be trusted. @default 0 for all
   */
  priority?: string | ((x: Exchange) => number);
}

const longest = 2_147_483_647; // What a timer can hold.

type Priority = string | ((x: Exchange) => number);

const size: v.OptionalSchema<v.GenericSchema<number>, 128> = v.optional(
  v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(0, "Expected 0 or more")),
  128,
);
const wait: v.OptionalSchema<v.GenericSchema<number>, 30_000> = v.optional(
  v.pipe(v.number(), v.minValue(0, "Expected 0 or more"), v.maxValue(longest, `Expected ${longest} or less`)),
  30_000,
);
const priority: v.OptionalSchema<v.GenericSchema<Priority>, undefined> = v.optional(
  v.custom<Priority>(
    (value) => typeof value === "function" || (typeof value === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(value)),
    "Expected the name of a header, or a function that returns a number",
  ),
);

/** The fields of a schema. */
export const queueLimits: {
  readonly size: typeof size;
  readonly wait: typeof wait;
  readonly priority: typeof priority;
} = { size, wait, priority };

/** Of a request; 0 for one that says nothing of use. */
export function toPriority(option: QueueLimits["priority"]): (x: Exchange) => number {
  if (option === undefined) return () => 0;
  if (typeof option === "function") {
    return (x) => {
      const told = option(x);
      return Number.isFinite(told) ? told : 0;
    };
  }
  const name = option.toLowerCase();
  return ({ headers }) => {
    const value = headers[name];
    return typeof value === "string" && /^-?\d{1,9}$/.test(value) ? Number(value) : 0;
  };
}
