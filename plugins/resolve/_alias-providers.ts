import type { Pool, Target } from "../../core/index.ts";

/** What is known of targets under one name. */
export interface Provider {
  readonly models: ReadonlySet<string>;
  /** One of them lists no models, so that it takes any. */
  readonly any: boolean;
  /** Not all of them are switched off. */
  readonly enabled: boolean;
}

interface Entry extends Provider {
  models: Set<string>;
  any: boolean;
  enabled: boolean;
}

/** Looks up the targets of a pool by provider; undefined stands for all. Indexed anew at the first look after a change. */
export function createProviders(pool: Pool): (provider: string | undefined) => Provider | undefined {
  let version = -1;
  let index = new Map<string | undefined, Provider>();
  return (provider) => {
    const { snapshot } = pool;
    if (snapshot.version !== version) {
      const entries = new Map<string | undefined, Entry>();
      add(entries, snapshot.all, true);
      add(entries, snapshot.disabled, false);
      index = entries;
      version = snapshot.version;
    }
    return index.get(provider);
  };
}

function add(entries: Map<string | undefined, Entry>, targets: readonly Target[], enabled: boolean): void {
  for (const target of targets) {
    for (const name of new Set([undefined, target.id, target.labels["provider"] ?? target.id])) {
      let entry = entries.get(name);
      if (entry === undefined) entries.set(name, (entry = { models: new Set(), any: false, enabled: false }));
      if (enabled) entry.enabled = true;
      if (target.models.length === 0) entry.any = true;
      for (const model of target.models) entry.models.add(model);
    }
  }
}
