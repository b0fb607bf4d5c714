import { readdirSync } from "node:fs";
import { median, renderTable } from "./table.mjs";

const dist = new URL("../../dist/", import.meta.url);
const sizes = [3, 100, 10_000];
const largest = 10_000;
/** Attempts under way at any time, so that selectors by load have something to compare. */
const inflight = 64;
const batches = 30;
/** Milliseconds that one batch should take at least. */
const batchLength = 2;

/** Milliseconds before anything is measured: code gets compiled, and an order of thousands settles. */
const warmUp = 150;

/** What it takes to choose must not grow with the number of targets; nanoseconds at 10,000. */
const constantTime = 1_000;
const looksAtAll = 150_000;
const constant = new Set([
  "fallback",
  "in-order",
  "least-connections",
  "locality",
  "named",
  "power-of-two-choices",
  "priority",
  "random",
  "round-robin",
  "split",
  "sticky",
]);

/** Those that cannot do without options. */
const composed = {
  explore: (p) => p.explore(0.05, p.leastConnections()),
  fallback: (p) => p.fallback(p.size({ strict: true }), p.roundRobin()),
  locality: (p) => p.locality({ prefer: ["near"] }),
  named: (p) => p.named("turns", p.roundRobin()),
  score: (p) =>
    p.score([
      [p.latency(), 2],
      [p.cost(), 1],
    ]),
  split: (p) => p.split({ canary: 5, stable: 95 }),
  sticky: (p) => p.sticky("header:x-session-id", p.leastConnections()),
};

/** Targets among which it is measured what a pick allocates. */
const measured = 100;

/**
 * Nanoseconds of one attempt's choice: the pick and being told of its start and end. Bytes of a pick alone.
 * @returns {Promise<{ results: object, goals: object[] }>}
 */
export async function benchSelect({ only }, print) {
  const testing = await import(new URL("core/testing/index.js", dist).href);
  const { bytesPerPick } = await import(new URL("core/testing/selector-frugal.js", dist).href);
  const plugins = await import(new URL("plugins/index.js", dist).href);
  const results = {};
  for (const name of selectorNames().filter((each) => only?.includes(each) ?? true)) {
    const factory = plugins[toFactoryName(name)];
    const create = composed[name] ?? (() => factory());
    results[name] = { bytes: await measureBytes(testing, bytesPerPick, () => create(plugins)) };
    for (const size of sizes) results[name][size] = await measure(testing, () => create(plugins), size);
  }
  const rows = Object.entries(results).map(([name, bySize]) => [
    name,
    ...sizes.map((size) => bySize[size].pick.toFixed(0)),
    ...sizes.map((size) => bySize[size].change.toFixed(1)),
    String(bySize.bytes),
  ]);
  const header = [
    "targets",
    ...sizes.map(String),
    ...sizes.map((size) => `new list of ${size}`),
    `bytes of ${measured}`,
  ];
  const title =
    "Selectors: nanoseconds per attempt; microseconds of the first pick from a new list; bytes that a pick allocates";
  print(renderTable(title, header, rows));
  return { results, goals: Object.entries(results).map(([name, bySize]) => toGoal(name, bySize[largest].pick)) };
}

function toGoal(name, nanoseconds) {
  const limit = constant.has(name) ? constantTime : looksAtAll;
  const goal = `${name}: at most ${limit / 1000} µs at 10,000 targets`;
  return { goal, value: `${(nanoseconds / 1000).toFixed(2)} µs`, met: nanoseconds <= limit };
}

function selectorNames() {
  const files = readdirSync(new URL("plugins/select/", dist));
  return files.filter((file) => /^[^_].*\.js$/.test(file)).map((file) => file.slice(0, -3));
}

function toFactoryName(name) {
  return name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
}

/** As the law frugal of the contract suite does it. */
async function measureBytes({ fakeExchange, fakePool, fakeTargets, selectorOf }, bytesPerPick, create) {
  const targets = fakeTargets(measured, toFields);
  const pool = fakePool(targets);
  const selector = await selectorOf(create(), pool);
  selector.update?.(pool.snapshot);
  return bytesPerPick({ selector, targets, create: () => fakeExchange(chat()), enough: 0 });
}

async function measure(testing, create, size) {
  const { fakeExchange, fakeOutcome, fakePool, fakeTargets, selectorOf } = testing;
  const newTargets = () => fakeTargets(size, toFields);
  const pool = fakePool(newTargets());
  const selector = await selectorOf(create(), pool);
  const x = fakeExchange(chat());
  const under = attemptsUnderWay(selector, pool, x, fakeOutcome({ ttfb: 80, duration: 900 }));
  const changes = Array.from({ length: 9 }, () => {
    pool.change(newTargets());
    selector.update?.(pool.snapshot);
    under.clear();
    const startedAt = performance.now();
    under.next(pool.snapshot.available);
    return (performance.now() - startedAt) * 1000;
  });
  const targets = pool.snapshot.available;
  const warmAt = performance.now() + warmUp;
  while (performance.now() < warmAt) timeOf(under, targets, 64);
  let batch = 64;
  while (timeOf(under, targets, batch) < batchLength && batch < 100_000) batch *= 2;
  const picks = Array.from({ length: batches }, () => (timeOf(under, targets, batch) * 1e6) / batch);
  return { pick: median(picks), change: median(changes) };
}

/** Targets of three weights, two zones, a canary in ten, at different prices. */
function toFields(index) {
  return {
    weight: 1 + (index % 3),
    labels: { zone: index % 4 === 0 ? "near" : "far", group: index % 10 === 0 ? "canary" : "stable" },
    meta: { price: { input: 1 + (index % 5), output: 4 + (index % 7) } },
  };
}

/** A chat of 1 KB with a session of its own. */
function chat() {
  const content = "What is the capital of France? ".repeat(30);
  const body = Buffer.from(JSON.stringify({ model: "m", messages: [{ role: "user", content }] }));
  const headers = { "content-type": "application/json", "x-session-id": "session-1" };
  return { method: "POST", path: "/v1/chat/completions", model: "m", headers, body };
}

function timeOf(under, targets, count) {
  const startedAt = performance.now();
  for (let index = 0; index < count; index++) under.next(targets);
  return performance.now() - startedAt;
}

/** Starts one attempt and ends the oldest, as core does. */
function attemptsUnderWay(selector, pool, x, outcome) {
  const running = Array.from({ length: inflight }, () => undefined);
  let oldest = 0;
  return {
    /** The list is another: what was under way is forgotten. */
    clear: () => void running.fill(undefined),
    next(targets) {
      const ended = running[oldest];
      if (ended !== undefined) {
        ended.live.inflight--;
        pool.load(ended);
        selector.attemptEnd?.(ended, outcome, x);
      }
      const picked = selector.pick(targets, x);
      picked.live.inflight++;
      pool.load(picked);
      selector.attemptStart?.(picked, x);
      running[oldest] = picked;
      oldest = (oldest + 1) % inflight;
    },
  };
}
