import { relative } from "node:path";
import type { ProxyConfig } from "../contract/proxy.ts";
import type { Plugin } from "../plugin.ts";
import { parsePort } from "./args.ts";
import { usageError } from "./failure.ts";
import { given, makePlugin, parseRanges, parseRegistryUrl, parseSeconds, parseWhole, withoutSecrets } from "./flags.ts";
import { applyRustLog } from "./rust-log.ts";
import { serveSource } from "./serve.ts";

/** The flags of InfiniLM's router, as they were given; durations in seconds. */
export interface RouterFlags {
  readonly "router-port"?: string | undefined;
  readonly bind?: string | undefined;
  /** Of several that are one, all. */
  readonly "registry-url"?: readonly string[] | undefined;
  readonly "static-services"?: string | undefined;
  readonly "health-interval"?: string | undefined;
  readonly "health-timeout"?: string | undefined;
  readonly "max-errors"?: string | undefined;
  readonly "registry-sync-interval"?: string | undefined;
  readonly "service-removal-grace-period"?: string | undefined;
  /** Where services of the registry may be. */
  readonly allow?: readonly string[] | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The options of the preset `infinilm`; what was not given is left to its defaults. */
export interface RouterSettings {
  readonly registryUrl?: readonly string[];
  readonly allow?: readonly string[];
  readonly staticServices?: string;
  readonly healthInterval?: number;
  readonly healthTimeout?: number;
  readonly maxErrors?: number;
  readonly registrySyncInterval?: number;
  readonly removalGracePeriod?: number;
  readonly proxyTimeout?: number;
  readonly cacheTypeThreshold?: number;
}

/** Serves in the place of InfiniLM's router, and goes on until a signal ends the process. */
export async function router({ json, ...flags }: RouterFlags & { readonly json: boolean }): Promise<void> {
  applyRustLog();
  const settings = toSettings(flags, process.env);
  const port = parsePort(flags["router-port"] ?? "8080", "--router-port");
  const host = flags.bind ?? "0.0.0.0";
  const config: ProxyConfig = {
    plugins: [await makePlugin<readonly Plugin[]>("infinilm", settings)],
    // The original has no limit for what it looks into: images in messages are large.
    limits: { inspect: 100 * 1024 * 1024 },
  };
  await serveSource({
    json,
    https: false,
    watch: false,
    again: true,
    address: () => ({ port, host }),
    readSource: () => Promise.resolve({ config, file: undefined, files: [] }),
    shown: { config: showSources(settings), fields: toFields(settings) },
  });
}

/** @throws Failure that names the flag or the variable, and its value */
export function toSettings(flags: RouterFlags, env: Environment): RouterSettings {
  const { "registry-url": urls = [] } = flags;
  const time = (flag: Exclude<keyof RouterFlags, "allow" | "registry-url">, least?: string): number | undefined =>
    parseSeconds(flags[flag], `--${flag}`, least);
  const settings: RouterSettings = {
    registryUrl: urls.length === 0 ? undefined : urls.map(parseRegistryUrl),
    allow: parseRanges(flags.allow, "--allow"),
    staticServices: flags["static-services"],
    healthInterval: time("health-interval"),
    healthTimeout: time("health-timeout"),
    maxErrors: parseWhole(flags["max-errors"], "--max-errors", "pass a whole number from 1"),
    registrySyncInterval: time("registry-sync-interval"),
    removalGracePeriod: time("service-removal-grace-period", "0"),
    proxyTimeout: parseSeconds(given(env.PROXY_TIMEOUT_SECONDS), "PROXY_TIMEOUT_SECONDS", "0 (no limit)"),
    cacheTypeThreshold: parseWhole(
      given(env.CACHE_TYPE_ROUTING_THRESHOLD),
      "CACHE_TYPE_ROUTING_THRESHOLD",
      "set it to bytes, 0 or more",
    ),
  };
  if (settings.maxErrors === 0) throw usageError("--max-errors 0 is too few", "pass a whole number from 1");
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function toFields({ registryUrl, staticServices }: RouterSettings): object {
  return {
    registry: registryUrl?.map(withoutSecrets) ?? null,
    staticServices: staticServices ?? null,
  };
}

function showSources({ registryUrl, staticServices }: RouterSettings): string {
  const registry = registryUrl === undefined ? "no registry" : `registry ${registryUrl.map(withoutSecrets).join(", ")}`;
  const file = staticServices === undefined ? "no static services" : `static services ${relative(".", staticServices)}`;
  return `router: ${registry}, ${file}`;
}
