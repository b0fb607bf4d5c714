import type { HookMap, HookName } from "./contract/hooks.ts";
import type { AnySchema, InputOf, OutputOf } from "./contract/schema.ts";
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

/** The ten-line way: a selector that is only a pick, or one that keeps state per route. */
export type SelectorDefinition<S extends AnySchema | undefined> =
  | { readonly name: string; pick: Selector["pick"] }
  | { readonly name: string; readonly options?: S; create(pool: Pool, options: OutputOf<S>): Selector };

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
  return definePlugin<S>({
    name: definition.name,
    options: "create" in definition ? definition.options : undefined,
    setup(proxy, options) {
      const create =
        "create" in definition
          ? (pool: Pool): Selector => definition.create(pool, options)
          : (): Selector => ({ pick: definition.pick });
      proxy.provide("selector", definition.name, { create });
    },
  });
}
