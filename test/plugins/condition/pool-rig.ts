import { definePlugin, type DiscoverySink, type Plugin, type Proxy, type Reporter, type TargetSpec } from "plugboard";

export interface FilledPool {
  readonly plugin: Plugin;
  /** Says of a target of the newest generation that it is up, or down. */
  set(id: string, up: boolean): void;
  replace(targets: readonly TargetSpec[]): void;
}

/** A pool that a test fills, and whose health it is the judge of. */
export function filledPool(targets: readonly TargetSpec[], pool = "default"): FilledPool {
  let known = targets;
  let sink: DiscoverySink | undefined;
  let reporter: Reporter | undefined;
  const plugin = definePlugin({
    name: "filled-pool",
    multiple: true,
    setup(proxy) {
      reporter = proxy.reporter("judge");
      proxy.provide("discovery", `filled ${pool}`, {
        pool,
        start(started) {
          sink = started;
          sink.replace(known);
        },
      });
    },
  })();
  return {
    plugin,
    set(id, up) {
      if (up) reporter?.up(id);
      else reporter?.down(id, "as the test says");
    },
    replace(next) {
      known = next;
      sink?.replace(next);
    },
  };
}

/** Settles when the pools of a proxy have published what changed. */
export async function published(proxy: Proxy, pool: string, available: readonly string[]): Promise<void> {
  for (;;) {
    const found = proxy.pools().find(({ name }) => name === pool);
    if (found?.snapshot.available.map(({ id }) => id).join() === available.join()) return;
    await new Promise((resolve) => void setImmediate(resolve));
  }
}
