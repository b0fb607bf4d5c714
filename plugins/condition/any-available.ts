import * as v from "valibot";
import { definePlugin, type Plugin, type Target } from "../../core/index.ts";

export interface AnyAvailableOptions {
  /** The pool to look at. @default "default" */
  pool?: string;
  /** Counts only targets that serve this model; those that list no models serve any. @default every target counts */
  model?: string;
  /** Targets that must be available. @default 1 */
  min?: number;
  /** The name it is asked for by, where a config has several. @default "any-available" */
  name?: string;
}

const text = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));

const schema = v.strictObject({
  pool: v.optional(text, "default"),
  model: v.optional(text),
  min: v.optional(v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more")), 1),
  name: v.optional(text, "any-available"),
} satisfies { [K in keyof Required<AnyAvailableOptions>]: v.GenericSchema<AnyAvailableOptions[K], unknown> });

/**
 * Holds while enough targets of a pool are available.
 *
 * For a listener that is to be open only while there is someone to answer, so that a load balancer in front of it goes
 * elsewhere by itself. A target is available while no reporter, such as `activeHealth`, says that it is down; one that
 * is busy is available all the same. Without a plugin that reports, every target that discovery knows is available. Not
 * for a pool whose backends are started on demand: nobody could ask for the first.
 *
 * @example
 * listeners: { compat: { port: 5000, when: anyAvailable({ model: "qwen3-8b" }) } }
 */
export const anyAvailable: (options?: AnyAvailableOptions) => Plugin = definePlugin({
  name: "any-available",
  options: schema,
  multiple: true,
  setup(proxy, { pool: poolName, model, min, name }) {
    const pool = proxy.pool(poolName);
    const counts = ({ models }: Target): boolean =>
      model === undefined || models.length === 0 || models.includes(model);

    /** Up to `min`: the rest of a large pool is not looked at. */
    function count(): number {
      let found = 0;
      for (const target of pool.snapshot.available) {
        if (counts(target)) found += 1;
        if (found === min) break;
      }
      return found;
    }

    proxy.provide("condition", name, {
      holds: () => count() === min,
      why: () => shortage(count(), min, model === undefined ? poolName : `${poolName} that serves ${model}`),
      onChange: (changed) => pool.onChange(() => changed()),
    });
  },
});

function shortage(found: number, min: number, where: string): string {
  const targets = found === 0 ? "no target" : found === 1 ? "only 1 target" : `only ${found} targets`;
  const needed = min === 1 ? "" : `, and ${min} must be`;
  return `${targets} of pool ${where} ${found > 1 ? "are" : "is"} available${needed}`;
}
