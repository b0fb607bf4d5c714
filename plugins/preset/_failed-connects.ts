import * as v from "valibot";
import { definePlugin, type Plugin } from "../../core/index.ts";

export interface FailedConnectsOptions {
  /** Failed connects in a row that take a target out of rotation. */
  fall: number;
  /** Milliseconds until it is tried again; then one failure is enough. */
  pause: number;
}

const schema = v.strictObject({
  fall: v.pipe(v.number(), v.integer(), v.minValue(1)),
  pause: v.pipe(v.number(), v.minValue(1)),
} satisfies Record<keyof FailedConnectsOptions, unknown>);

/**
 * Takes a target out of rotation that requests could not be connected to, ahead of the next probe.
 *
 * Only connects count: of a reset or a timeout the request may be the cause, and then it would take one target after
 * the other out.
 */
export const failedConnects: (options: FailedConnectsOptions) => Plugin = definePlugin({
  name: "failed-connects",
  options: schema,
  setup(proxy, { fall, pause }) {
    const reporter = proxy.reporter("failed-connects");
    const streaks = new Map<string, number>();

    function forget(): void {
      const ids = new Set(proxy.pools().flatMap((pool) => pool.snapshot.all.map(({ id }) => id)));
      for (const id of streaks.keys()) if (!ids.has(id)) streaks.delete(id);
    }
    proxy.onReady(() => proxy.pools().forEach((pool) => pool.onChange(forget)));

    return {
      attemptEnd(_x, { id }, { kind }) {
        if (kind !== "connect") {
          // One that the client or a plugin ended says nothing of the target.
          if (kind !== "client-abort" && kind !== "plugin" && kind !== "local" && streaks.delete(id)) reporter.up(id);
          return undefined;
        }
        const streak = (streaks.get(id) ?? 0) + 1;
        streaks.set(id, streak);
        if (streak >= fall) reporter.down(id, `${streak} failed connects in a row`, pause);
        return undefined;
      },
    };
  },
});
