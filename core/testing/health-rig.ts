import { randomUUID } from "node:crypto";
import type { Proxy } from "../contract/proxy.ts";
import type { DiscoverySink } from "../contract/services.ts";
import type { Pool } from "../contract/target.ts";
import { definePlugin, type Plugin } from "../plugin.ts";
import { createQuietProxy } from "./quiet-proxy.ts";
import { type Answer, type ProbedUpstream, probedUpstream } from "./probed-upstream.ts";
import { until } from "./within.ts";

/** What the suite asks of the plugin; durations in milliseconds. */
export interface HealthSettings {
  /** From the root of the target's origin. */
  readonly path: string;
  readonly interval: number;
  readonly timeout: number;
  readonly fall: number;
  readonly rise: number;
}

/** Where a rig is probed is its own affair. */
export type RigSettings = Omit<HealthSettings, "path">;

/** A proxy with the plugin under test, in front of upstreams that do as they are told. */
export interface HealthRig {
  /** Adds a target, before the start or later, and what it answers to its probes. */
  add(id: string, ...script: readonly Answer[]): Promise<ProbedUpstream>;
  remove(id: string): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Probes below the path of before, from then on. */
  reload(below: string): Promise<void>;
  /** Ids of the targets that take requests. */
  available(): string[];
  /** Settles when a target is up, or down. */
  turned(id: string, up: boolean): Promise<void>;
}

export async function withHealthRig(
  create: (settings: HealthSettings) => Plugin,
  given: RigSettings,
  law: (rig: HealthRig) => Promise<void>,
): Promise<void> {
  // What probes a port that another upstream had before is not to be taken for the plugin under test.
  const settings = { ...given, path: `/alive-${randomUUID()}` };
  const upstreams = new Map<string, ProbedUpstream>();
  const targets = openPool(() => [...upstreams].map(([id, { url }]) => ({ id, url })));
  const config = (below = ""): { plugins: Plugin[] } => ({
    plugins: [targets.plugin(), create({ ...settings, path: settings.path + below })],
  });
  let proxy: Proxy | undefined;
  const rig: HealthRig = {
    async add(id, ...script) {
      const upstream = await probedUpstream(settings.path);
      upstream.play(script);
      upstreams.set(id, upstream);
      targets.refresh();
      return upstream;
    },
    remove: (id) => targets.remove(id),
    async start() {
      proxy = await createQuietProxy(config());
    },
    async stop() {
      await proxy?.close({ deadline: 0 });
    },
    async reload(below) {
      await proxy?.reload(config(below));
    },
    available: () => targets.available(),
    turned: (id, up) => until(() => targets.available().includes(id) === up, `target ${id} is ${up ? "up" : "down"}`),
  };
  try {
    await law(rig);
  } finally {
    await rig.stop();
    await Promise.all([...upstreams.values()].map((upstream) => upstream.close()));
  }
}

interface OpenPool {
  plugin(): Plugin;
  /** Tells the newest generation which targets there are. */
  refresh(): void;
  remove(id: string): void;
  available(): string[];
}

/** The default pool of a proxy, filled and read from outside. */
function openPool(specs: () => readonly { readonly id: string; readonly url: string }[]): OpenPool {
  let sink: DiscoverySink | undefined;
  let pool: Pool | undefined;
  const plugin = definePlugin({
    name: "suite-targets",
    setup(proxy) {
      pool = proxy.pool();
      proxy.provide("discovery", "suite-targets", {
        start(started) {
          sink = started;
          sink.replace(specs());
        },
      });
    },
  });
  return {
    plugin,
    refresh: () => sink?.replace(specs()),
    remove: (id) => sink?.remove(id),
    available: () => (pool?.snapshot.available ?? []).map(({ id }) => id).toSorted(),
  };
}
