import type { HookMap, Setup } from "../../core/index.ts";
import type { KeptBackend } from "./_backend.ts";
import { findConflicts, type PlacedBackend } from "./_backend-conflicts.ts";
import { readBackendFiles } from "./_backend-files.ts";
import { createFleet, type Demand, type Fleet } from "./_backend-fleet.ts";
import type { Backend } from "./_backend-options.ts";
import { followBackends, toTarget } from "./_backend-targets.ts";
import { createOnDemand, noteStart } from "./_on-demand.ts";
import type { BabysitterSettings } from "./babysitter.ts";

/** Runs the backends of a generation, or shows them where nothing may be started. */
export function babysit(proxy: Setup, options: BabysitterSettings): HookMap {
  const wanted = listBackends(proxy, options);
  return proxy.mode === "serve" ? keep(proxy, options, wanted) : show(proxy, options, wanted);
}

/** The registry of the options counts before that of a file. */
function listBackends(proxy: Setup, { backends, toml, registry: settings }: BabysitterSettings): Demand["backends"] {
  const placed: PlacedBackend[] = backends.map((backend, index) => ({ backend, path: `backends.${index}` }));
  placed.push(...readBackendFiles(proxy, toml));
  for (const problem of findConflicts(placed)) proxy.problem(problem);
  return placed.map(({ backend, registry: own }) => ({ options: backend, registry: settings ?? own }));
}

/** Where nothing may be started, the targets are there all the same. */
function show(proxy: Setup, { pool }: BabysitterSettings, wanted: Demand["backends"]): HookMap {
  if (pool === false) return {};
  const targets = wanted.map(({ options }) => toTarget(options));
  proxy.provide("discovery", toSource(pool), { pool, known: targets, start: (sink) => sink.replace(targets) });
  const awaited = wanted.filter(({ options }) => options.onDemand !== false).map(({ options }) => options.name);
  return awaited.length === 0 ? {} : { admit: (x) => noteStart(x, proxy.pool(pool), new Set(awaited)) };
}

function keep(proxy: Setup, options: BabysitterSettings, wanted: Demand["backends"]): HookMap {
  const { pool, output, now, random = proxy.random } = options;
  const fleet = proxy.keep("fleet", () => createFleet({ log: proxy.log, now, random }));
  const generation = hold(fleet, { backends: wanted, logged: output === "log" });
  proxy.onReady(() => generation.begin());
  proxy.onClose(() => generation.release());
  return pool === false ? {} : serve(proxy, { pool, now, backends: wanted.map((one) => one.options), generation });
}

interface Hold {
  /** Their ports are known when it resolves; nothing runs yet. */
  acquire(): Promise<readonly KeptBackend[]>;
  begin(): Promise<void>;
  release(): Promise<void>;
}

function hold(fleet: Fleet, demand: Demand): Hold {
  const holder = {};
  let closed = false;
  let held: readonly KeptBackend[] | undefined;
  async function acquire(): Promise<readonly KeptBackend[]> {
    if (closed) return [];
    held ??= fleet.acquire(holder, demand);
    await Promise.all(held.map((backend) => backend.choosePort()));
    return held;
  }
  return {
    acquire,
    async begin() {
      await acquire();
      if (!closed) fleet.begin(holder);
    },
    release() {
      closed = true;
      return fleet.release(holder);
    },
  };
}

interface Serving {
  readonly pool: string;
  readonly now: () => number;
  readonly backends: readonly Backend[];
  readonly generation: Hold;
}

function serve(proxy: Setup, { pool, now, backends, generation }: Serving): HookMap {
  const reporter = proxy.reporter("babysitter");
  const awaited = new Map<string, KeptBackend>();
  proxy.provide("discovery", toSource(pool), {
    pool,
    known: backends.map((backend) => toTarget(backend)),
    async start(sink, signal) {
      const kept = await generation.acquire();
      for (const backend of kept) {
        if (backend.options.onDemand !== false) awaited.set(backend.options.name, backend);
      }
      followBackends(kept, sink, reporter, signal);
    },
  });
  const idle = backends.flatMap(({ onDemand }) => (onDemand === false ? [] : [onDemand.idle]));
  if (idle.length === 0) return {};
  const onDemand = createOnDemand({ pool: proxy.pool(pool), backends: awaited, reporter, now });
  proxy.every(Math.min(5_000, Math.max(50, Math.min(...idle) / 10)), () => onDemand.stopIdle());
  proxy.signal.addEventListener("abort", () => onDemand.close(), { once: true });
  return { admit: (x) => onDemand.admit(x) };
}

/** One source for each pool. */
function toSource(pool: string): string {
  return pool === "default" ? "babysitter" : `babysitter ${pool}`;
}
