import type { Outcome } from "../../core/index.ts";

/** What is known of one target. */
export interface LimitRecord {
  /** Attempts at once, as it was worked out; a fraction. */
  limit: number;
  /** Milliseconds to the head while the target has little to do; 0 until known. */
  baseline: number;
  /** When the baseline was last seen, and not only assumed. */
  seenAt: number;
  /** Held to half of its limit, to see the baseline: first until what began before is over, then for a window. */
  probe: "no" | "drains" | "measures";
  /** Attempts that began before; Infinity while more are under way than may be. */
  before: number;
  /** The window: when it began, heads seen and the sum of their times, the most under way at once, drops. */
  since: number;
  heads: number;
  sum: number;
  busiest: number;
  drops: number;
}

export interface LimitRules {
  readonly by: "gradient" | "aimd";
  readonly min: number;
  readonly max: number;
  readonly tolerance: number;
}

const window = 1_000;
const enough = 10;
/** After so many milliseconds of load the baseline is looked for; Envoy does it as often. */
const probePause = 60_000;
const probeLimit = 30_000;
const smoothing = 0.2;
const backoff = 0.9;

export function createRecord(limit: number, now: number): LimitRecord {
  return {
    limit,
    baseline: 0,
    seenAt: now,
    probe: "no",
    before: Infinity,
    since: now,
    heads: 0,
    sum: 0,
    busiest: 0,
    drops: 0,
  };
}

/** What it may have at once now: a whole number. */
export function limitNow({ limit, probe }: LimitRecord, { min, max }: LimitRules): number {
  return Math.floor(Math.min(max, Math.max(min, probe === "no" ? limit : limit / 2)));
}

/** `drop`: the target had too much to do; undefined: it says nothing, as what the client or another limit ended. */
export function judge({ kind, status, error }: Outcome): "head" | "drop" | undefined {
  if (status === 429 || status === 503) return "drop";
  if (kind === "ok") return status < 400 ? "head" : undefined;
  if (error?.source !== "upstream") return undefined;
  return kind === "timeout" || kind === "reset" || error.code === "connect_timeout" ? "drop" : undefined;
}

/** Counts the end of an attempt, of so many under way; the limit changes when a window is full. */
export function count(
  record: LimitRecord,
  seen: { readonly what: "head" | "drop"; readonly ttfb: number; readonly inflight: number },
  now: number,
  rules: LimitRules,
): void {
  if (record.probe === "drains" && !hasDrained(record, seen.inflight, now, rules)) return;
  record.busiest = Math.max(record.busiest, seen.inflight);
  if (seen.what === "drop") record.drops += 1;
  else {
    record.heads += 1;
    record.sum += seen.ttfb;
  }
  if (now - record.since < window || (record.heads < enough && record.drops === 0)) return;
  if (record.probe === "measures") endProbe(record, now);
  else adapt(record, now, rules);
  begin(record, now);
}

function begin(record: LimitRecord, now: number): void {
  Object.assign(record, { since: now, heads: 0, sum: 0, busiest: 0, drops: 0 });
}

function adapt(record: LimitRecord, now: number, { by, min, max, tolerance }: LimitRules): void {
  const isLoaded = record.busiest >= record.limit / 2;
  const within = (limit: number): number => Math.min(max, Math.max(min, limit));
  if (record.drops > 0) record.limit = within(record.limit * backoff);
  else if (by === "aimd") record.limit = within(record.limit + (isLoaded ? 1 : 0));
  else {
    const time = record.sum / record.heads;
    learn(record, time, isLoaded, now);
    if (isLoaded) record.limit = within(record.limit * (1 - smoothing) + smoothing * wanted(record, time, tolerance));
  }
  if (by === "gradient" && isLoaded && now - record.seenAt >= probePause) {
    record.probe = "drains";
    record.before = Infinity;
  }
}

/** Gradient2's step. With a longer queue a probe would prove nothing of targets that take two at once. */
function wanted({ limit, baseline }: LimitRecord, time: number, tolerance: number): number {
  const gradient = Math.max(0.5, Math.min(1, (tolerance * baseline) / time));
  return limit * gradient + Math.sqrt(limit) / 2;
}

/** Only what is not loaded shows how fast it is; under load it is at least as fast as it looks. */
function learn(record: LimitRecord, time: number, isLoaded: boolean, now: number): void {
  if (!isLoaded) record.seenAt = now;
  const { baseline } = record;
  if (baseline === 0) record.baseline = time;
  else if (time < baseline) record.baseline = (baseline + time) / 2;
  else if (!isLoaded) record.baseline += (time - baseline) / 10;
}

/** Whether those that began before the probe are over; one that takes too long is given up. */
function hasDrained(record: LimitRecord, inflight: number, now: number, rules: LimitRules): boolean {
  if (now - record.since > probeLimit) {
    record.probe = "no";
    record.seenAt = now;
    begin(record, now);
    return true;
  }
  if (record.before !== Infinity) record.before -= 1;
  else if (inflight <= limitNow(record, rules)) record.before = inflight;
  if (record.before > 0) return false;
  record.probe = "measures";
  begin(record, now);
  return true;
}

function endProbe(record: LimitRecord, now: number): void {
  record.probe = "no";
  record.seenAt = now;
  if (record.heads >= enough) record.baseline = record.sum / record.heads;
}
