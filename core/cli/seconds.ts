import { usageError } from "./failure.ts";

/** As long as a timer can be told of: some 24 days. */
const longest = 2_147_483;

/** @throws Failure that names where the seconds came from */
export function parseSeconds(text: string, origin: string, least = 0.001): number {
  const seconds = /^\d+(?:\.\d{1,3})?$/u.test(text) ? Number(text) : Number.NaN;
  if (seconds >= least && seconds <= longest) return Math.round(seconds * 1_000);
  throw usageError(`${origin} ${text} is no number of seconds`, `pass seconds from ${least} to ${longest}`);
}
