import type { HookMap, HookName } from "./contract/hooks.ts";
import type { AnySchema, InputOf, OutputOf } from "./contract/schema.ts";
import type { Slot } from "./contract/exchange.ts";
import type { Awaitable, Selector } from "./contract/services.ts";
import type { Setup } from "./contract/setup.ts";
import type { Pool } from "./contract/target.ts";

export interface PluginDefinition<S extends AnySchema | undefined, H extends HookMap | void = HookMap | void> {
  readonly name: string;
  /** Any Standard Schema: valibot, zod, arktype. */
  readonly options?: S;
  /** May appear more than once in a config. @default false */
  readonly multiple?: boolean;
  setup(proxy: Setup, options: OutputOf<S>): Awaitable<H>;
}

type UnknownHook<H> = H extends object ? Exclude<keyof H, HookName> : never;

/** Refuses a hook that no phase is called by: TypeScript looks for excess properties only where nothing is inferred. */
type OnlyHooks<H> = [UnknownHook<H>] extends [never] ? unknown : { setup(): { [K in UnknownHook<H>]: never } };

declare const plugin: unique symbol;

/** What a factory returns: a definition and the options it was called with. Nothing ran yet. */
export interface Plugin {
  readonly [plugin]: true;
  readonly name: string;
}

export type Factory<S> = S extends AnySchema
  ? {} extends InputOf<S>
    ? (options?: InputOf<S>) => Plugin
    : (options: InputOf<S>) => Plugin
  : () => Plugin;

export interface PluginInstance {
  readonly name: string;
  readonly definition: PluginDefinition<AnySchema | undefined>;
  readonly input: unknown;
}

/**
 * Makes a plugin factory out of a name, an options schema and a setup.
 *
 * @example
 * export const auth = definePlugin({
 *   name: "auth",
 *   options: v.strictObject({ keys: v.array(v.string()) }),
 *   setup(proxy, { keys }) {
 *     const known = new Set(keys);
 *     return {
 *       request(x) {
 *         if (!known.has(x.headers.authorization ?? "")) return { status: 401 };
 *       },
 *     };
 *   },
 * });
 */
export function definePlugin<S extends AnySchema | undefined = undefined, H extends HookMap | void = HookMap | void>(
  definition: PluginDefinition<S, H> & OnlyHooks<H>,
): Factory<S> {
  const factory = (input?: unknown): PluginInstance => ({
    name: definition.name,
    definition: definition,
    input,
  });
  // What a config shows that forgot to call it.
  Object.defineProperty(factory, "name", {
    value: definition.name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
  });
  return factory as unknown as Factory<S>;
}

/** What a selector may use beside its pool and its options. */
export interface SelectorTools {
  /** The route it picks for. */
  readonly route: string;
  /** A number in [0, 1), the same row again in `explain` and tests. */
  readonly random: () => number;
  /** As in `Setup`: the same name is the same slot for all plugins. */
  slot<T>(name: string): Slot<T>;
  /** As in `Setup`: outlives reloads, and is shared by all selectors that this plugin makes. */
  keep<T>(name: string, create: () => T): T;
  /** The selector of a plugin that stands in the options, for the same pool and route. */
  inner(plugin: Plugin): Selector;
}

/** The ten-line way: a selector that is only a pick, or one that keeps state per route. */
export type SelectorDefinition<S extends AnySchema | undefined> =
  | { readonly name: string; pick: Selector["pick"] }
  | {
      readonly name: string;
      readonly options?: S;
      /** May stand in a config more than once. @default false */
      readonly multiple?: boolean;
      /** Whether it looks into JSON bodies. @default no */
      readonly needsBody?: (options: OutputOf<S>) => boolean;
      /** The name it is chosen by, where that is not the plugin's. */
      readonly provides?: (options: OutputOf<S>) => string;
      create(pool: Pool, options: OutputOf<S>, tools: SelectorTools): Selector;
    };

/**
 * Makes a factory for a plugin that provides one selector under its own name.
 *
 * @example
 * const cheapest = defineSelector({
 *   name: "cheapest",
 *   pick: (targets) => targets.reduce((a, b) => (Number(a.meta.price) <= Number(b.meta.price) ? a : b)),
 * });
 */
export function defineSelector<S extends AnySchema | undefined = undefined>(
  definition: SelectorDefinition<S>,
): Factory<S> {
  if (!("create" in definition)) {
    const { name, pick } = definition;
    return definePlugin<S>({
      name,
      setup: (proxy) => proxy.provide("selector", name, { name, create: () => ({ pick }) }),
    });
  }
  const { options: schema, multiple, needsBody, provides, create } = definition;
  return definePlugin<S>({
    name: definition.name,
    ...(schema !== undefined && { options: schema }),
    ...(multiple !== undefined && { multiple }),
    setup(proxy, options) {
      if (needsBody?.(options) === true) proxy.needs({ body: "json" });
      const name = provides?.(options) ?? definition.name;
      const { random, slot, keep } = proxy;
      proxy.provide("selector", name, {
        name,
        create(pool, route) {
          const inner = (given: Plugin): Selector => proxy.inner("selector", given).create(pool, route);
          return create(pool, options, { route, random, slot, keep, inner });
        },
      });
    },
  });
}

/** Whether a factory made it; for the schema of an option that takes plugins. */
export function isPlugin(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && "definition" in value && "name" in value && "input" in value;
}
