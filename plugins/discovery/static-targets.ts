import { resolve } from "node:path";
import * as v from "valibot";
import { definePlugin, type Plugin, type TargetSpec } from "../../core/index.ts";
import { poolName, targetList, toId } from "./_target-spec.ts";
import { createUnverified, tlsFiles } from "./_unverified.ts";

export interface StaticTargetsOptions {
  /** A string is short for `{ url }`. */
  targets: readonly (string | TargetSpec)[];
  /** The pool they belong to. @default "default" */
  pool?: string;
}

interface StaticTargets {
  readonly targets: readonly TargetSpec[];
  readonly pool: string;
}

const schema: v.GenericSchema<StaticTargetsOptions, StaticTargets> = v.strictObject({
  targets: targetList,
  pool: poolName,
} satisfies Record<keyof StaticTargetsOptions, unknown>);

/**
 * Puts the targets written in the config into a pool.
 *
 * For backends whose addresses are known when the proxy starts; a reload of the config changes them. It may appear more
 * than once, for one pool or for several. Throws at start for a URL that cannot be a target and for an id used twice.
 * Files that `tls` names are read when the target is taken in, and anew at each reload.
 *
 * @example
 * staticTargets({
 *   targets: ["http://127.0.0.1:8001", { url: "http://127.0.0.1:8002/v1", weight: 2, models: ["qwen3-8b"] }],
 * });
 */
export const staticTargets: (options: StaticTargetsOptions) => Plugin = definePlugin({
  name: "static-targets",
  options: schema,
  multiple: true,
  setup(proxy, { targets, pool }) {
    for (const path of tlsFiles(targets)) proxy.watchFile(resolve(path));
    proxy.provide("discovery", toSource(targets, pool), {
      pool,
      known: targets,
      start(sink) {
        if (proxy.mode === "serve") createUnverified(proxy.log)(targets);
        sink.replace(targets);
      },
    });
  },
});

/** Names one of several lists; two that begin with the same target are a mistake, and core says so. */
function toSource(targets: readonly TargetSpec[], pool: string): string {
  const [first] = targets;
  return `static-targets ${pool}${first === undefined ? "" : ` ${toId(first)}`}`;
}
