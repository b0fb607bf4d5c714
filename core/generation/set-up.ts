import { configError, isConfigError } from "../config/config-error.ts";
import { describeConfig } from "../config/describe.ts";
import type { InnerPlugin, ValidPlugin } from "../config/validate.ts";
import type { ProxyConfig } from "../contract/proxy.ts";
import type { Plugin } from "../plugin.ts";
import type { ProxyState } from "../proxy-state.ts";
import { textOf } from "../errors.ts";
import type { GenerationOptions } from "./generation.ts";
import type { Registry } from "./registry.ts";
import type { Scope } from "./scope.ts";
import { ServiceTable } from "./services.ts";
import { createSetup, toHooks } from "./setup.ts";

export interface SetUpOptions extends GenerationOptions {
  readonly proxy: ProxyState;
  readonly config: ProxyConfig;
  readonly signal: AbortSignal;
}

interface SetUpPlace {
  readonly index: number;
  /** The plugin of the config that it is, or stands in. */
  readonly outer: string;
  /** What it keeps over reloads is found again by this. */
  readonly key: string;
  readonly path: string;
  /** Whose requests it takes part in. */
  readonly scope: Scope;
  readonly services: ServiceTable;
}

/** Runs the setups of all plugins in the order of the config, and collects what they register. */
export async function setUp(registry: Registry, plugins: readonly ValidPlugin[], options: SetUpOptions): Promise<void> {
  const seen = new Map<string, number>();
  for (const [index, plugin] of plugins.entries()) {
    const { name } = plugin.instance;
    const key = plugin.scope === "" ? name : `${plugin.scope} ${name}`;
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    const scope = registry.scope(plugin.scope);
    const place = {
      index,
      outer: name,
      key: nth === 1 ? key : `${key}#${nth}`,
      path: "",
      scope,
      services: scope.services,
    };
    await setUpPlugin(registry, plugin, place, options);
  }
}

/** Those in its options come first: it may ask for what they provide. */
async function setUpPlugin(
  registry: Registry,
  { instance, options: input, inner }: InnerPlugin | ValidPlugin,
  place: SetUpPlace,
  options: SetUpOptions,
): Promise<void> {
  for (const plugin of inner) {
    const given = plugin.instance as unknown as Plugin;
    if (registry.inner.has(given)) continue;
    const services = new ServiceTable();
    registry.inner.set(given, services);
    const path = `${place.path}${plugin.path}.`;
    await setUpPlugin(
      registry,
      plugin,
      { ...place, services, path, key: `${place.key}.${path}${given.name}` },
      options,
    );
  }
  const { name, definition } = instance;
  const { mode, signal, status, proxy } = options;
  const { index, outer, key, path, scope, services } = place;
  const setup = createSetup(registry, {
    plugin: outer,
    index,
    path,
    scope,
    services,
    log: proxy.log.withTag(name),
    mode,
    signal,
    status,
    keep: (what, create) => (options.keep ?? proxy.keep)(`${key} ${what}`, create),
    random: options.random ?? (() => proxy.random()),
    explain: options.explain ?? notRunning,
    reload: options.reload ?? notRunning,
    config: () => describeConfig(options.config),
  });
  try {
    const hooks = await definition.setup(setup, input);
    if (hooks !== undefined) scope.hooks.push(...toHooks(hooks, name, index));
  } catch (error) {
    if (isConfigError(error)) throw error;
    throw configError(outer, index, `setup failed: ${textOf(error)}`, undefined, error);
  }
}

function notRunning(): never {
  throw new Error("nothing runs here that could be explained or reloaded");
}
