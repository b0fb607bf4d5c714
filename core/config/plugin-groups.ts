import type { ListenerConfig, MountConfig, ProxyConfig } from "../contract/proxy.ts";

/** A list of plugins in a config: its own, a listener's, a mount's. */
export interface PluginGroup {
  /** Whose requests they take part in: `""` is everybody's, `mounts.0`, `listeners.admin`, `listeners.admin.mounts.0`. */
  readonly scope: string;
  /** How an entry is named in a problem. */
  place(index: number): string;
  /** Flattened; what is switched off is dropped. */
  readonly entries: readonly unknown[];
}

/** All of them in the order in which they are set up. What is no list is left to the schema. */
export function pluginGroups(config: ProxyConfig): PluginGroup[] {
  const groups = [group("", "plugins", config.plugins), ...ofMounts("", "", config.mounts)];
  for (const [name, listener] of entriesOf(config.listeners)) {
    const scope = `listeners.${name}`;
    if (typeof listener.when === "object")
      groups.push({ scope: `${scope}.when`, place: () => `${scope}.when`, entries: [listener.when] });
    groups.push(group(scope, `${scope}.plugins`, listener.plugins));
    groups.push(...ofMounts(`${scope}.`, `${scope}.`, listener.mounts));
  }
  return groups.filter(({ entries }) => entries.length > 0);
}

function ofMounts(scope: string, place: string, mounts: readonly MountConfig[] | undefined): PluginGroup[] {
  if (!Array.isArray(mounts)) return [];
  return (mounts as readonly (MountConfig | undefined)[]).map((mount, i) =>
    group(`${scope}mounts.${i}`, `${place}mounts[${i}].plugins`, mount?.plugins),
  );
}

function group(scope: string, place: string, plugins: unknown): PluginGroup {
  const entries = Array.isArray(plugins) ? plugins.flat().filter((one) => !isOff(one)) : [];
  return { scope, place: (index) => `${place}[${index}]`, entries };
}

function isOff(entry: unknown): boolean {
  return entry === false || entry === null || entry === undefined;
}

function entriesOf(listeners: ProxyConfig["listeners"]): [string, ListenerConfig][] {
  if (typeof listeners !== "object" || listeners === null) return [];
  return Object.entries(listeners).filter(([, listener]) => typeof listener === "object" && listener !== null);
}
