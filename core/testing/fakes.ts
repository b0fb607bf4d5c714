import type { Exchange, Outcome } from "../contract/exchange.ts";
import type { Pool, Snapshot, Target, TargetStats } from "../contract/target.ts";

/** A target whose counters a test may set. */
export interface FakeTarget extends Target {
  readonly live: TargetStats;
}

export interface FakeTargetFields extends Partial<Omit<Target, "live">> {
  readonly live?: Partial<TargetStats>;
}

/** Makes a frozen target of weight 1 with counters at 0; what is given wins. */
export function fakeTarget(fields: FakeTargetFields = {}): FakeTarget {
  const live = { inflight: 0, requests: 0, failures: 0, ttfb: 0, lastFailure: 0, ...fields.live };
  return Object.freeze({
    id: "target",
    origin: "http://127.0.0.1:9000",
    basePath: "",
    weight: 1,
    models: [],
    model: undefined,
    labels: {},
    meta: {},
    ...fields,
    live,
  });
}

/** Makes a frozen list of targets `t1`, `t2` and so on; each is given the same fields, or its own by a function. */
export function fakeTargets(
  count: number,
  fields: FakeTargetFields | ((index: number) => FakeTargetFields) = {},
): readonly FakeTarget[] {
  const targets = Array.from({ length: count }, (_, index) =>
    fakeTarget({
      id: `t${index + 1}`,
      origin: `http://127.0.0.1:${9001 + index}`,
      ...(typeof fields === "function" ? fields(index) : fields),
    }),
  );
  return Object.freeze(targets);
}

/** Makes the exchange of a GET that nobody has tried yet; what is given wins. It has no socket. */
export function fakeExchange(fields: Partial<Exchange> = {}): Exchange {
  const json = once(() => parse(fields.body));
  let signal: AbortSignal | undefined;
  return {
    id: "exchange",
    startedAt: performance.now(),
    method: "GET",
    path: "/",
    search: "",
    headers: {},
    ip: "127.0.0.1",
    body: undefined,
    json: <T>() => json() as T | undefined,
    model: undefined,
    route: undefined,
    target: undefined,
    attempt: fields.tried?.length ?? 0,
    tried: [],
    upstream: { method: "GET", path: "/", headers: {}, body: null },
    committed: false,
    control: false,
    get signal() {
      return (signal ??= new AbortController().signal);
    },
    notes: undefined,
    node: {} as Exchange["node"],
    ...fields,
  };
}

/** Makes the outcome of an attempt that went well; what is given wins. */
export function fakeOutcome(fields: Partial<Outcome> = {}): Outcome {
  return {
    kind: "ok",
    status: 200,
    ttfb: 1,
    duration: 2,
    bytesIn: 0,
    sent: true,
    bytesOut: 2,
    error: undefined,
    ...fields,
  };
}

/** A pool that a test changes. */
export interface FakePool extends Pool {
  /** Tells those who listen that the load of a target changed; core does it after each change of `inflight`. */
  load(target: Target): void;
  /** Publishes the next snapshot; all are available unless said otherwise. */
  change(all: readonly Target[], available?: readonly Target[]): void;
}

/** Makes a pool of the given targets, all available. */
export function fakePool(targets: readonly Target[] = [], name = "default"): FakePool {
  const listeners: ((snapshot: Snapshot) => void)[] = [];
  const loadListeners: ((live: Readonly<TargetStats>) => void)[] = [];
  let snapshot = toSnapshot(1, targets, targets);
  return {
    name,
    get snapshot() {
      return snapshot;
    },
    onChange: (listener) => void listeners.push(listener),
    onLoad: (listener) => void loadListeners.push(listener),
    load({ live }) {
      for (const listener of loadListeners) listener(live);
    },
    verdicts: () => [],
    change(all, available = all) {
      snapshot = toSnapshot(snapshot.version + 1, all, available);
      for (const listener of listeners) listener(snapshot);
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** As core parses: what is not JSON is no fault of who asked. */
function parse(body: Uint8Array | undefined): unknown {
  if (body === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { ignoreBOM: true }).decode(body));
  } catch {
    return undefined;
  }
}

function toSnapshot(version: number, all: readonly Target[], available: readonly Target[]): Snapshot {
  return Object.freeze({
    version,
    all: Object.freeze([...all]),
    available: Object.freeze([...available]),
    disabled: Object.freeze([]),
  });
}
