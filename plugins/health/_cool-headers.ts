import type { UpstreamHead } from "../../core/index.ts";

type Headers = UpstreamHead["headers"];

/**
 * Milliseconds for which a target asks to be left alone; undefined when it does not say. What OpenAI and Anthropic tell
 * of a limit counts only where nothing remains of it: it is the time until all of it is back, not until the next
 * request may go (https://platform.openai.com/docs/guides/rate-limits).
 */
export function askedPause(headers: Headers, now: number): number | undefined {
  const asked = inMilliseconds(headers["retry-after-ms"]) ?? retryAfter(one(headers["retry-after"]), now);
  if (asked !== undefined) return asked;
  let longest: number | undefined;
  for (const [name, value] of Object.entries(headers)) {
    const remaining = toRemaining(name);
    if (remaining === undefined || one(headers[remaining])?.trim() !== "0") continue;
    const pause = untilReset(one(value), now);
    if (pause !== undefined) longest = Math.max(longest ?? 0, pause);
  }
  return longest;
}

/** `x-ratelimit-reset-tokens`, `x-ratelimit-reset`, `ratelimit-reset`, `anthropic-ratelimit-tokens-reset`. */
const resetName = /^((?:[a-z]+-)?ratelimit-(?:[a-z-]+-)?)reset((?:-[a-z_-]+)?)$/;

/** The header that says what is left of the limit whose reset this one tells. */
function toRemaining(name: string): string | undefined {
  const [, before, after] = resetName.exec(name) ?? [];
  return before === undefined ? undefined : `${before}remaining${after}`;
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function inMilliseconds(value: string | string[] | undefined): number | undefined {
  const text = one(value)?.trim();
  return text !== undefined && /^\d{1,12}(?:\.\d+)?$/.test(text) ? Number(text) : undefined;
}

/** Seconds or an HTTP date: RFC 9110 10.2.3. */
function retryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d{1,12}(?:\.\d+)?$/.test(text)) return Number(text) * 1_000;
  // Date.parse takes "12-5" and the like for dates.
  return /^[A-Z][a-z]{2,8},? /.test(text) ? untilDate(text, now) : undefined;
}

/** Seconds from now, seconds of the clock, a duration as Go writes it, or a date of RFC 3339. */
function untilReset(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d{1,12}(?:\.\d+)?$/.test(text)) {
    const seconds = Number(text);
    return seconds > 1e9 ? Math.max(0, seconds * 1_000 - now) : seconds * 1_000;
  }
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return untilDate(text, now);
  return duration(text);
}

function untilDate(text: string, now: number): number | undefined {
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

const units: ReadonlyMap<string, number> = new Map([
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
  ["us", 0.001],
  ["µs", 0.001],
  ["ns", 0.000_001],
]);

/** Such as 6m0s or 20ms. */
function duration(text: string): number | undefined {
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, value, unit] of text.matchAll(/([\d.]+)(h|ms|m|s|us|µs|ns)/g))
    total += Number(value) * (units.get(unit ?? "") ?? 0);
  return total;
}
