import type { ProxyConfig } from "../contract/proxy.ts";
import { isPlugin, type PluginInstance } from "../plugin.ts";
import { isSecretPlace, withoutSecrets } from "./show-value.ts";
import { isPlain } from "./walk-options.ts";

const deepest = 12;
const longest = 1_000;
/** Characters of one text. */
const widest = 1_000;

/**
 * A config for people: plain data that can be written as JSON. Plugins are their names and options, functions their
 * names; what is in a place of secrets, looks like one or came from a variable named so is `***`.
 */
export function describeConfig(config: ProxyConfig): Readonly<Record<string, unknown>> {
  return describe(config, false, 0) as Record<string, unknown>;
}

function describe(value: unknown, hidden: boolean, depth: number): unknown {
  if (typeof value === "string") return hidden ? "***" : short(withoutSecrets(value));
  if (typeof value === "function") return `[function ${value.name || "without a name"}]`;
  if (typeof value !== "object" || value === null) return typeof value === "number" ? finite(value) : plain(value);
  if (depth > deepest) return "...";
  if (isPlugin(value)) return describePlugin(value as unknown as PluginInstance, depth);
  if (Array.isArray(value)) return value.slice(0, longest).map((each) => describe(each, hidden, depth + 1));
  if (value instanceof RegExp) return hidden ? "***" : short(withoutSecrets(String(value)));
  if (!isPlain(value)) return `[${value.constructor?.name ?? "object"}]`;
  const entries = Object.entries(value).slice(0, longest);
  return Object.fromEntries(
    entries.map(([key, each]) => [withoutSecrets(key), describe(each, hidden || isSecretPlace(key), depth + 1)]),
  );
}

function describePlugin({ name, input }: PluginInstance, depth: number): object {
  return { plugin: name, ...(input !== undefined && { options: describe(input, false, depth + 1) }) };
}

/** JSON has no infinity. */
function finite(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

function plain(value: unknown): unknown {
  return typeof value === "bigint" || typeof value === "symbol" ? String(value) : value;
}

function short(text: string): string {
  return text.length > widest ? `${text.slice(0, widest)}...` : text;
}
