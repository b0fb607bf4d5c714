import type { UpstreamHead } from "../../core/index.ts";
import { blockUntil, meter, type Meter, type Room, setMeter } from "./_room.ts";

type Headers = UpstreamHead["headers"];

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Longest time to a reset that is believed: a month. */
const longest = 31 * day;

/** When a meter is full again, in milliseconds of the clock; `now` is what the clock of the upstream showed. */
type ReadReset = (text: string, here: number, there: number) => number | undefined;

interface Source {
  readonly meter: Meter;
  readonly limit: string;
  readonly remaining: string;
  readonly reset: string;
  readonly readReset: ReadReset;
}

const openai = (kind: string, each: Meter): Source => ({
  meter: each,
  limit: `x-ratelimit-limit-${kind}`,
  remaining: `x-ratelimit-remaining-${kind}`,
  reset: `x-ratelimit-reset-${kind}`,
  readReset: (text, here) => after(here, toMilliseconds(text)),
});

const anthropic = (kind: string, each: Meter): Source => ({
  meter: each,
  limit: `anthropic-ratelimit-${kind}-limit`,
  remaining: `anthropic-ratelimit-${kind}-remaining`,
  reset: `anthropic-ratelimit-${kind}-reset`,
  readReset: (text, here, there) => after(here, toDate(text) - there),
});

const sources: readonly Source[] = [
  openai("requests", meter.requests),
  openai("tokens", meter.tokens),
  anthropic("requests", meter.requests),
  anthropic("tokens", meter.tokens),
  anthropic("input-tokens", meter.inputTokens),
  anthropic("output-tokens", meter.outputTokens),
  {
    meter: meter.rate,
    limit: "ratelimit-limit",
    remaining: "ratelimit-remaining",
    reset: "ratelimit-reset",
    readReset: (text, here) => after(here, toCount(text) * second),
  },
];

/**
 * Notes what the head of an answer says of its upstream's limits. An upstream may say anything: what is not exactly as
 * its documents have it is as if it were not there.
 */
export function readLimits({ status, headers }: UpstreamHead, now: number, room: Room): void {
  for (const source of sources) {
    const limit = headers[source.limit];
    if (limit !== undefined) readSource(source, firstOf(limit), headers, now, room);
  }
  const draft = headers["ratelimit"];
  if (draft !== undefined) readDraft(textOf(draft), textOf(headers["ratelimit-policy"]), now, room);
  if (status === 429) {
    const until = after(now, toWait(textOf(headers["retry-after"]), headers, now));
    if (until !== undefined) blockUntil(room, until);
  }
}

function readSource(source: Source, limit: number, headers: Headers, now: number, room: Room): void {
  const remaining = toCount(textOf(headers[source.remaining]));
  const told = headers[source.reset];
  // Some send none, as their limits are by the minute.
  const reset = told === undefined ? now + minute : source.readReset(textOf(told), now, serverNow(headers, now));
  if (limit > 0 && remaining >= 0 && reset !== undefined) setMeter(room, source.meter, limit, remaining, reset);
}

/** By the clock of who names a date: that clock may be wrong, and ours too. */
function serverNow(headers: Headers, now: number): number {
  const date = toHttpDate(textOf(headers["date"]));
  return Number.isNaN(date) ? now : date;
}

function toWait(text: string, headers: Headers, now: number): number {
  const seconds = toCount(text);
  return Number.isNaN(seconds) ? toHttpDate(text) - serverNow(headers, now) : seconds * second;
}

/** Undefined for what is not a number, or further away than is believed. */
function after(now: number, ms: number): number | undefined {
  return ms <= longest ? now + Math.max(0, ms) : undefined;
}

/** A header that came twice is none. */
function textOf(value: string | string[] | undefined): string {
  return typeof value === "string" && value.length <= 256 ? value : "";
}

/** A whole number of 0 or more, or NaN. */
function toCount(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : NaN;
}

/** Drafts up to 06 let a limit be followed by its policy: `10, 10;w=60`. */
function firstOf(value: string | string[]): number {
  const text = textOf(value);
  return toCount(/^(\d{1,15})\s*[,;]/.exec(text)?.[1] ?? text);
}

const durationPattern =
  /^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?$/;

/** As Go writes them, `6m0s` or `120ms`; some send plain seconds. */
function toMilliseconds(text: string): number {
  if (/^\d{1,9}(?:\.\d{1,9})?$/.test(text)) return Number(text) * second;
  const found = durationPattern.exec(text);
  if (found === null || text === "") return NaN;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = found;
  return (
    Number(days) * day +
    Number(hours) * hour +
    Number(minutes) * minute +
    Number(seconds) * second +
    Number(milliseconds)
  );
}

/** RFC 3339. */
function toDate(text: string): number {
  return /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN;
}

/** IMF-fixdate, RFC 9110 5.6.7. */
function toHttpDate(text: string): number {
  return /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(text) ? Date.parse(text) : NaN;
}

/**
 * `limit=100, remaining=50, reset=5` of draft-ietf-httpapi-ratelimit-headers-07, and `"name";r=50;t=5` of those after it,
 * with `"name";q=100;w=60` as the policy. Of several the one with the least left counts.
 */
function readDraft(text: string, policy: string, now: number, room: Room): void {
  const flat = toParameters(text);
  let least = toDraftMeter(flat.get("limit"), flat.get("remaining"), flat.get("reset"));
  const policies = new Map(toMembers(policy));
  for (const [name, told] of toMembers(text)) {
    const quota = policies.get(name);
    const each = toDraftMeter(quota?.get("q"), told.get("r"), told.get("t") ?? quota?.get("w"));
    if (each !== undefined && (least === undefined || each.remaining / each.limit < least.remaining / least.limit))
      least = each;
  }
  if (least === undefined) return;
  const reset = after(now, least.seconds * second);
  if (reset !== undefined) setMeter(room, meter.rate, least.limit, least.remaining, reset);
}

interface DraftMeter {
  readonly limit: number;
  readonly remaining: number;
  readonly seconds: number;
}

function toDraftMeter(
  limit: string | undefined,
  remaining: string | undefined,
  seconds: string | undefined,
): DraftMeter | undefined {
  const meters = { limit: toCount(limit ?? ""), remaining: toCount(remaining ?? ""), seconds: toCount(seconds ?? "") };
  return meters.limit > 0 && meters.remaining >= 0 && meters.seconds >= 0 ? meters : undefined;
}

/** Names and parameters of a list of structured fields (RFC 9651). */
function toMembers(text: string): (readonly [string, ReadonlyMap<string, string>])[] {
  return text.split(",").flatMap((member) => {
    const [, name, parameters] = /^\s*"([^";]{1,64})"((?:;[^;]{1,64})*)\s*$/.exec(member) ?? [];
    return name === undefined ? [] : [[name, toParameters(parameters ?? "")] as const];
  });
}

function toParameters(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split(/[,;]/).flatMap((each) => {
      const [, name, value] = /^\s*([a-z]{1,16})=(\d{1,15})\s*$/.exec(each) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
}
