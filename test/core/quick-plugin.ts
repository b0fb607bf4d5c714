import { definePlugin, type HookMap, type Plugin, type Setup } from "plugboard";

/** A plugin that is only its setup; for what a test wants to see from inside. */
export function quickPlugin(name: string, setup: (proxy: Setup) => HookMap | void | Promise<HookMap | void>): Plugin {
  return definePlugin({ name, multiple: true, setup })();
}

/** A plugin that is only its hooks. */
export function hooks(map: HookMap, name = "hooks"): Plugin {
  return quickPlugin(name, () => map);
}
