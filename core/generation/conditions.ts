import { configError } from "../config/config-error.ts";
import type { ProxyConfig } from "../contract/proxy.ts";
import type { Condition } from "../contract/services.ts";
import type { Registry } from "./registry.ts";

/** What each conditional listener of a config waits for. */
export function conditionsOf(config: ProxyConfig, registry: Registry): ReadonlyMap<string, Condition> {
  const conditions = new Map<string, Condition>();
  for (const [name, { when }] of Object.entries(config.listeners ?? {})) {
    const path = `listeners.${name}`;
    if (when === undefined) continue;
    const condition =
      typeof when === "string" ? named(when, path, registry) : given(`${path}.when`, when.name, registry);
    conditions.set(name, condition);
  }
  return conditions;
}

function named(name: string, path: string, registry: Registry): Condition {
  return registry
    .scope(path)
    .services.find({ kind: "condition", name, plugin: `${path}.when`, index: -1 }) as Condition;
}

/** Of a plugin that stands there itself. */
function given(path: string, plugin: string, registry: Registry): Condition {
  const [provided] = registry.scope(path).services.providers("condition");
  if (provided !== undefined) return provided.service;
  throw configError(
    path,
    -1,
    `was given plugin ${plugin}, which provides no condition`,
    "use one such as anyAvailable()",
  );
}
