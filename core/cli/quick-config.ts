import type { ProxyConfig } from "../contract/proxy.ts";
import type { Plugin } from "../plugin.ts";
import { importPlugins, listPluginNames } from "../config/own-modules.ts";
import { suggest } from "../config/suggest.ts";
import { usageError } from "./failure.ts";

/**
 * Enough for an OpenAI client in front of OpenAI-compatible servers. Not `models`: nothing here knows the servers'
 * models, so they are to answer that themselves.
 */
const defaults = ["model", "sse", "stats", "openai-errors"];

/** The config of `plugboard --target URL`, which needs no file. */
export async function quickConfig(targets: readonly string[], selector = "round-robin"): Promise<ProxyConfig> {
  for (const target of targets) checkUrl(target);
  const selectors = listPluginNames("select");
  if (!selectors.includes(selector)) {
    const near = suggest(selector, selectors);
    const fix = near === undefined ? `pass one of ${selectors.join(", ")}` : `did you mean --select ${near}?`;
    throw usageError(`--select ${selector} is no selector`, fix);
  }
  const plugins = await importPlugins();
  const make = (name: string, options?: object): Plugin => factoryOf(plugins, name)(options);
  return { plugins: [make("static-targets", { targets }), make(selector), ...defaults.map((name) => make(name))] };
}

function checkUrl(target: string): void {
  if (/^https?:$/u.test(parseUrl(target)?.protocol ?? "")) return;
  const shown = target.replace(/^([^@]*:\/\/)?[^]*@/u, "$1***@");
  const near = parseUrl(`http://${target}`) === undefined ? "http://127.0.0.1:8001" : `http://${shown}`;
  throw usageError(`--target ${shown} is no URL of a server`, `did you mean --target ${near}?`);
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function factoryOf(plugins: object, name: string): (options?: object) => Plugin {
  const key = name.replace(/-(\w)/gu, (_, letter: string) => letter.toUpperCase());
  const factory = Object.entries(plugins).find(([exported]) => exported === key)?.[1];
  if (!isFactory(factory)) throw new Error(`plugin ${name} has no factory ${key}`);
  return factory;
}

function isFactory(value: unknown): value is (options?: object) => Plugin {
  return typeof value === "function";
}
