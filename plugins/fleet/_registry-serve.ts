import { addressRules, type Setup } from "../../core/index.ts";
import { createChecker } from "./_registry-check.ts";
import { answering, type Run } from "./_registry-http.ts";
import { healthPage, statsPage } from "./_registry-pages.ts";
import { toPlace } from "./_registry-place.ts";
import { createRate } from "./_registry-rate.ts";
import { createRoutes, type RegistryRoutes } from "./_registry-routes.ts";
import { createState } from "./_registry-state.ts";
import { createWriters } from "./_registry-writers.ts";
import type { RegistrySettings } from "./registry.ts";

/** Registers the routes of a registry, and what keeps it going. */
export function serveRegistry(proxy: Setup, settings: RegistrySettings): void {
  const { now } = settings;
  const serves = proxy.mode === "serve";
  const storage = serves ? settings.storage : "memory";
  const since = proxy.keep("since", now);
  const state = proxy.keep(`state ${toPlace(storage)}`, () => {
    // After a restart it has to be another than any before, also where the epoch is not.
    const firstVersion = Date.now() * 1_000 + Math.floor(proxy.random() * 1_000);
    const { random, log } = proxy;
    return createState({ storage, limit: settings.limits.entries, random, now, log, firstVersion });
  });
  const places = addressRules(settings.allow);
  const checker = serves ? createChecker({ rules: places, timeout: settings.healthTimeout }) : undefined;
  const rate = createRate(settings.limits.writes, now);
  const writers = createWriters({ token: settings.token, writers: addressRules(settings.writers), rate });
  const { lease, limits } = settings;
  const routes = createRoutes({ state, writers, places, checker, lease, limits, now, over: untilOver(proxy) });
  mount(proxy, settings.prefix, {
    ...routes,
    health: () => healthPage(state, now()),
    stats: () => statsPage(state, now(), now() - since),
  });

  let retained = false;
  proxy.onReady(async () => {
    retained = true;
    await state.retain();
  });
  proxy.onClose(async () => {
    await checker?.close();
    if (retained) await state.release();
  });
  proxy.every(settings.cleanupInterval, () => rate.sweep());
  if (checker === undefined || settings.healthInterval === 0) return;
  const round = async (signal: AbortSignal): Promise<void> => {
    if (state.store !== undefined) await checker.round(state.store, settings.healthInterval / 2, signal);
  };
  proxy.every(settings.healthInterval, round, { jitter: 0.1 });
}

/** True once another generation serves than the one that did so at first, or the proxy drains. */
function untilOver(proxy: Setup): () => boolean {
  let served: number | undefined;
  return () => {
    const { generation, draining } = proxy.status();
    served ??= generation;
    return draining || proxy.signal.aborted || generation !== served;
  };
}

function mount(
  proxy: Setup,
  prefix: string,
  run: RegistryRoutes & { readonly health: Run; readonly stats: Run },
): void {
  const failed = (error: unknown): void => proxy.log.error("the registry failed:", error);
  proxy.route("GET", `${prefix}/health`, answering(run.health, failed));
  proxy.route("GET", `${prefix}/stats`, answering(run.stats, failed));
  proxy.route("GET", `${prefix}/services`, answering(run.list, failed));
  proxy.route("POST", `${prefix}/services`, answering(run.register, failed));
  proxy.route("GET", `${prefix}/services/:name`, answering(run.read, failed));
  proxy.route("PUT", `${prefix}/services/:name`, answering(run.update, failed));
  proxy.route("DELETE", `${prefix}/services/:name`, answering(run.remove, failed));
  proxy.route("GET", `${prefix}/services/:name/health`, answering(run.check, failed));
  proxy.route("POST", `${prefix}/services/:name/heartbeat`, answering(run.heartbeat, failed));
}
