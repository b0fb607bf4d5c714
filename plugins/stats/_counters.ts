import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Exchange, Outcome, OutcomeKind } from "../../core/index.ts";

/** Tokens of one exchange, as a relay noted them. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
}

/** What is counted under one name. */
export interface Tally {
  requests: number;
  /** Those that ended in a fault, here or upstream; a client that left is none. */
  failures: number;
  promptTokens: number;
  completionTokens: number;
}

/** Milliseconds; percentiles of everything since the counting began, right to three figures. */
export interface Latency {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface CountersView {
  readonly requests: {
    readonly total: number;
    /** By kind of end. */
    readonly kinds: Readonly<Record<OutcomeKind, number>>;
    /** By class of status; `none`: no response was sent. */
    readonly statuses: Readonly<Record<string, number>>;
  };
  /** Of exchanges that an upstream answered. */
  readonly latency: { readonly ttfb: Latency; readonly duration: Latency };
  readonly tokens: Usage;
  readonly bytes: { readonly in: number; readonly out: number };
  readonly routes: Readonly<Record<string, Tally>>;
  readonly models: Readonly<Record<string, Tally>>;
}

export interface Counters {
  count(x: Exchange, outcome: Outcome, usage: Usage | undefined): void;
  view(): CountersView;
}

const noneYet: Readonly<Record<OutcomeKind, number>> = {
  ok: 0,
  status: 0,
  connect: 0,
  reset: 0,
  timeout: 0,
  stalled: 0,
  "stream-error": 0,
  "client-abort": 0,
  plugin: 0,
  local: 0,
};

/** Counts exchanges: a handful of additions each, and an allocation only for a name not seen before. */
export function createCounters(names: number): Counters {
  const kinds = { ...noneYet };
  /** By first digit. */
  const statuses = Array.from({ length: 10 }, () => 0);
  const tokens = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };
  const bytes = { in: 0, out: 0 };
  const ttfb = createLatency();
  const duration = createLatency();
  const routes = createTallies(names);
  const models = createTallies(names);
  let total = 0;

  return {
    count(x, outcome, usage) {
      const { kind } = outcome;
      total += 1;
      kinds[kind] += 1;
      const digit = Math.trunc(outcome.status / 100);
      statuses[digit] = (statuses[digit] ?? 0) + 1;
      bytes.in += outcome.bytesIn;
      bytes.out += outcome.bytesOut;
      if (usage !== undefined) {
        tokens.promptTokens += usage.promptTokens;
        tokens.completionTokens += usage.completionTokens;
        tokens.totalTokens += usage.totalTokens;
      }
      // Without a route the model's name is only what the client wrote: anything, and any number of them.
      if (x.route === undefined) return;
      const failed = isFailure(outcome);
      add(routes.of(x.route.name), failed, usage);
      if (x.model !== undefined) add(models.of(x.model), failed, usage);
      if (outcome.ttfb <= 0) return;
      record(ttfb, outcome.ttfb);
      record(duration, outcome.duration);
    },
    view: () => ({
      requests: { total, kinds: { ...kinds }, statuses: toClasses(statuses) },
      latency: { ttfb: toLatency(ttfb), duration: toLatency(duration) },
      tokens: { ...tokens },
      bytes: { ...bytes },
      routes: routes.view(),
      models: models.view(),
    }),
  };
}

interface Tallies {
  of(name: string): Tally;
  view(): Record<string, Tally>;
}

/** So many names, and `other` for all that come later. */
function createTallies(names: number): Tallies {
  const tallies = new Map<string, Tally>();
  function of(name: string): Tally {
    let tally = tallies.get(name);
    if (tally !== undefined) return tally;
    if (tallies.size >= names && name !== "other") return of("other");
    tallies.set(name, (tally = { requests: 0, failures: 0, promptTokens: 0, completionTokens: 0 }));
    return tally;
  }
  return { of, view: () => Object.fromEntries(tallies) };
}

const isFault: Readonly<Record<OutcomeKind, boolean>> = {
  ok: false,
  status: true,
  connect: true,
  reset: true,
  timeout: true,
  stalled: true,
  "stream-error": true,
  "client-abort": false,
  plugin: true,
  local: false,
};

function isFailure({ kind, error }: Outcome): boolean {
  return isFault[kind] || (error !== undefined && error.source !== "client");
}

function add(tally: Tally, failed: boolean, usage: Usage | undefined): void {
  tally.requests += 1;
  if (failed) tally.failures += 1;
  if (usage === undefined) return;
  tally.promptTokens += usage.promptTokens;
  tally.completionTokens += usage.completionTokens;
}

/** Microseconds; an hour and more is an hour. */
const longest = 3_600_000_000;

function createLatency(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: longest, figures: 3 });
}

function record(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.min(longest, Math.max(1, Math.round(ms * 1_000))));
}

function toLatency(histogram: RecordableHistogram): Latency {
  const { count } = histogram;
  const ms = (microseconds: number): number => (count === 0 ? 0 : Math.round(microseconds) / 1_000);
  return {
    count,
    mean: ms(histogram.mean),
    p50: ms(histogram.percentile(50)),
    p95: ms(histogram.percentile(95)),
    p99: ms(histogram.percentile(99)),
    max: ms(histogram.max),
  };
}

function toClasses(statuses: readonly number[]): Record<string, number> {
  const classes = statuses.map((count, digit): [string, number] => [digit === 0 ? "none" : `${digit}xx`, count]);
  return Object.fromEntries(classes.filter(([, count], digit) => digit <= 5 || count > 0));
}
