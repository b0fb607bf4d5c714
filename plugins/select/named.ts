import * as v from "valibot";
import { defineSelector, type Plugin } from "../../core/index.ts";
import { innerSchema } from "./_inner-selector.ts";

export interface NamedOptions {
  /** In lower case, with hyphens: `cheap-first`. */
  name: string;
  /** What picks. */
  selector: Plugin;
}

const entries = {
  name: v.pipe(
    v.string("Expected a name such as cheap-first"),
    v.regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, "Expected a name in lower case with hyphens, such as cheap-first"),
  ),
  selector: innerSchema,
} satisfies Record<keyof NamedOptions, unknown>;

const schema: v.GenericSchema<NamedOptions> = v.strictObject(entries);

const define = defineSelector({
  name: "named",
  options: schema,
  multiple: true,
  provides: ({ name }) => name,
  create: (_pool, { selector }, tools) => tools.inner(selector),
});

/**
 * Gives a selector a name of its own, by which aliases and routes choose it.
 *
 * For one kind of selector with different options for different aliases. It may stand in a config many times; two of one
 * name are refused. A selector that stands in the config once needs no other name than its plugin's.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     alias({ fast: { targets: [{ model: "qwen3-8b" }], selector: "day" }, big: { targets: [{ model: "qwen3-32b" }], selector: "hour" } }),
 *     named("day", usage()),
 *     named("hour", usage({ window: 3_600_000 })),
 *   ],
 * });
 */
export const named: (name: string, selector: Plugin) => Plugin = (name, selector) => define({ name, selector });
