import type { Outcome } from "../../core/index.ts";

/** Ways in which a target can fail a request. */
export type Fault = "connect" | "reset" | "timeout" | "status" | "stalled" | "stream-error";

/** What is remembered of one target. */
export interface OutlierRecord {
  readonly id: string;
  /** Weight of the faults since the last good answer. */
  streak: number;
  /** Attempts, and the weight of the faults among them, by slice of the window: nothing is made per attempt. */
  readonly attempts: Float64Array;
  readonly faults: Float64Array;
  /** The newest slice, counted from the beginning of the clock, and the window they are slices of. */
  slice: number;
  window: number;
  /** Ejections that are not forgiven. */
  times: number;
  /** Ejected, or back and still on trial. */
  out: boolean;
  /** When the ejection ends; by the clock of the plugin. */
  until: number;
  returnedAt: number;
  /** When another request may go besides each that is on trial, by exchange. */
  readonly trials: Map<string, number>;
}

export interface Limits {
  readonly consecutive: number;
  readonly rate: number;
  readonly minimum: number;
  readonly window: number;
}

export interface FaultRules {
  readonly statuses: ReadonlySet<number>;
  readonly weights: Readonly<Record<Fault, number>>;
}

const slices = 12;

export function createRecord(id: string, now: number, window: number): OutlierRecord {
  return {
    id,
    streak: 0,
    attempts: new Float64Array(slices),
    faults: new Float64Array(slices),
    slice: sliceAt(now, window),
    window,
    times: 0,
    out: false,
    until: 0,
    returnedAt: now,
    trials: new Map(),
  };
}

/** The weight of what the target did wrong; 0 when it did nothing wrong, or somebody else did. */
export function faultOf({ kind, status, error }: Outcome, { statuses, weights }: FaultRules): number {
  switch (kind) {
    case "status":
      return statuses.has(status) ? weights.status : 0;
    case "connect":
    case "reset":
    case "timeout":
    case "stalled":
    case "stream-error":
      // A deadline of the whole request, or a client that stopped reading, says nothing of the target.
      return error?.source === "upstream" ? weights[kind] : 0;
    default:
      return 0;
  }
}

/** A refusal is the client's doing: it neither counts against the target nor for it. */
export function isGood({ kind, status }: Outcome): boolean {
  return kind === "ok" && status < 400;
}

/** Whatever it said, it is there. */
export function isAnswered({ kind }: Outcome): boolean {
  return kind === "ok" || kind === "status";
}

/** Counts one attempt; `fault` is the weight of its fault. */
export function count(record: OutlierRecord, fault: number, now: number, { window }: Limits): void {
  if (record.window !== window) resize(record, now, window);
  advance(record, sliceAt(now, window));
  const at = record.slice % slices;
  record.attempts[at]! += 1;
  record.faults[at]! += fault;
  record.streak = fault === 0 ? 0 : record.streak + fault;
}

/** Why the target ought to go; undefined while all is within the limits. */
export function excess(record: OutlierRecord, { consecutive, rate, minimum, window }: Limits): string | undefined {
  if (record.streak >= consecutive) return `${round(record.streak)} failures in a row`;
  const attempts = sum(record.attempts);
  const faults = sum(record.faults);
  if (attempts < minimum || faults < attempts * rate) return undefined;
  return `${round(faults)} failures in ${attempts} requests within ${round(window / 1_000)} s`;
}

/** Begins to count anew; the ejections stay. */
export function clear(record: OutlierRecord): void {
  record.streak = 0;
  record.attempts.fill(0);
  record.faults.fill(0);
}

/** After a reload with another window. */
function resize(record: OutlierRecord, now: number, window: number): void {
  record.attempts.fill(0);
  record.faults.fill(0);
  record.slice = sliceAt(now, window);
  record.window = window;
}

/** Slices that nobody counted in are empty. */
function advance(record: OutlierRecord, slice: number): void {
  const passed = Math.min(slice - record.slice, slices);
  for (let i = 1; i <= passed; i++) {
    const at = (record.slice + i) % slices;
    record.attempts[at] = 0;
    record.faults[at] = 0;
  }
  record.slice = Math.max(slice, record.slice);
}

function sliceAt(now: number, window: number): number {
  return Math.floor((now * slices) / window);
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
