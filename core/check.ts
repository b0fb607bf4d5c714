import type { HookName } from "./contract/hooks.ts";
import type { ConfigFunction, ProxyConfig } from "./contract/proxy.ts";
import { Generation } from "./generation/generation.ts";
import { idleStatus, ProxyState } from "./proxy-state.ts";

export interface CheckedConfig {
  readonly plugins: readonly string[];
  /** Plugin names per phase, in the order they run. */
  readonly hooks: Readonly<Partial<Record<HookName, readonly string[]>>>;
  /** The same for each mount and each further listener. */
  readonly sites: readonly { readonly name: string; readonly hooks: CheckedConfig["hooks"] }[];
}

/** Validates, sets up and links a config without opening anything; throws a ConfigError with all that is wrong. */
export async function checkConfig(config: ProxyConfig | ConfigFunction): Promise<CheckedConfig> {
  const proxy = new ProxyState();
  const generation = await Generation.load(config, proxy, { number: 0, mode: "check", status: idleStatus });
  await generation.close();
  await proxy.ledger.close();
  const [main, ...others] = generation.everySite();
  const sites = others.map(({ name, phases }) => ({ name, hooks: phases.order }));
  return { plugins: generation.plugins, hooks: main?.phases.order ?? {}, sites };
}
