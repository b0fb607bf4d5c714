import * as v from "valibot";
import { definePlugin, isPlugin, type DiscoverySink, type Plugin, type TargetSpec } from "../../core/index.ts";

export interface TimedTargetsOptions {
  /** The discovery whose targets get them. */
  source: Plugin;
  /** Those that a target has of its own stay. */
  timeouts: NonNullable<TargetSpec["timeouts"]>;
}

const schema = v.strictObject({
  source: v.custom<Plugin>(isPlugin, "Expected a discovery such as registryTargets()"),
  timeouts: v.record(v.string(), v.number()),
} satisfies Record<keyof TimedTargetsOptions, unknown>);

/** Gives the targets of a discovery timeouts, for a preset cannot set those of the config. */
export const timedTargets: (options: TimedTargetsOptions) => Plugin = definePlugin({
  name: "timed-targets",
  options: schema,
  setup(proxy, { source, timeouts }) {
    const { pool, known, start } = proxy.inner("discovery", source);
    proxy.provide("discovery", source.name, {
      ...(pool !== undefined && { pool }),
      ...(known !== undefined && { known }),
      start: (sink, signal) => start(withTimeouts(sink, timeouts), signal),
    });
  },
});

function withTimeouts(sink: DiscoverySink, timeouts: TimedTargetsOptions["timeouts"]): DiscoverySink {
  const timed = (spec: TargetSpec): TargetSpec => ({ ...spec, timeouts: { ...timeouts, ...spec.timeouts } });
  return {
    replace: (specs) => sink.replace(specs.map(timed)),
    upsert: (spec) => sink.upsert(timed(spec)),
    remove: (id) => sink.remove(id),
    fail: (error) => sink.fail(error),
  };
}
