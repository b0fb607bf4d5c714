import { readdirSync } from "node:fs";
import { median, renderTable } from "./table.mjs";

const dist = new URL("../../dist/", import.meta.url);
const sizes = [3, 100, 10_000];
/** Attempts under way at any time, so that selectors by load have something to compare. */
const inflight = 64;
const batch = 2_000;
const batches = 60;

/**
 * Nanoseconds of one attempt's choice: the pick and being told of its start and end.
 * @returns {Promise<{ results: object, goals: [] }>}
 */
export async function benchSelect(_options, print) {
  const testing = await import(new URL("core/testing/index.js", dist).href);
  const results = {};
  for (const { name, plugin } of await selectorPlugins()) {
    results[name] = {};
    for (const size of sizes) results[name][size] = await measure(testing, plugin, size);
  }
  const rows = Object.entries(results).map(([name, bySize]) => [
    name,
    ...sizes.map((size) => bySize[size].pick.toFixed(0)),
    ...sizes.map((size) => bySize[size].change.toFixed(1)),
  ]);
  const header = ["targets", ...sizes.map(String), ...sizes.map((size) => `new list of ${size}`)];
  print(renderTable("Selectors: nanoseconds per pick; microseconds of the first pick from a new list", header, rows));
  return { results, goals: [] };
}

/** One plugin for each file of plugins/select; those that cannot do without options are left out. */
async function selectorPlugins() {
  const folder = new URL("plugins/select/", dist);
  const files = readdirSync(folder).filter((file) => file.endsWith(".js") && !file.startsWith("_"));
  const modules = await Promise.all(files.map((file) => import(new URL(file, folder).href)));
  return files.map((file, index) => {
    const name = file.slice(0, -3);
    const factory = modules[index][name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())];
    return { name, plugin: factory() };
  });
}

async function measure({ fakeExchange, fakeOutcome, fakePool, fakeTargets, selectorOf }, plugin, size) {
  const newTargets = () => fakeTargets(size, (index) => ({ weight: 1 + (index % 3) }));
  const pool = fakePool(newTargets());
  const selector = await selectorOf(plugin, pool);
  const x = fakeExchange();
  const under = attemptsUnderWay(selector, x, fakeOutcome());
  const changes = Array.from({ length: 9 }, () => {
    pool.change(newTargets());
    selector.update?.(pool.snapshot);
    const startedAt = performance.now();
    under.next(pool.snapshot.available);
    return (performance.now() - startedAt) * 1000;
  });
  const targets = pool.snapshot.available;
  for (let round = 0; round < 5; round++) pickMany(under, targets);
  const picks = Array.from({ length: batches }, () => {
    const startedAt = performance.now();
    pickMany(under, targets);
    return ((performance.now() - startedAt) * 1e6) / batch;
  });
  return { pick: median(picks), change: median(changes) };
}

function pickMany(under, targets) {
  for (let index = 0; index < batch; index++) under.next(targets);
}

/** Starts one attempt and ends the oldest, as core does. */
function attemptsUnderWay(selector, x, outcome) {
  const running = Array.from({ length: inflight }, () => undefined);
  let oldest = 0;
  return {
    next(targets) {
      const ended = running[oldest];
      if (ended !== undefined) {
        ended.live.inflight--;
        selector.attemptEnd?.(ended, outcome);
      }
      const picked = selector.pick(targets, x);
      picked.live.inflight++;
      selector.attemptStart?.(picked, x);
      running[oldest] = picked;
      oldest = (oldest + 1) % inflight;
    },
  };
}
