import { relative } from "node:path";
import { importPlugins } from "../config/own-modules.ts";
import type { ProxyConfig } from "../contract/proxy.ts";
import type { Plugin } from "../plugin.ts";
import { addressRangeHint, isAddressRange } from "../wire/address-rules.ts";
import { parsePort } from "./args.ts";
import { usageError } from "./failure.ts";
import { applyRustLog } from "./rust-log.ts";
import { serveSource } from "./serve.ts";

/** The flags of InfiniLM's router, as they were given; durations in seconds. */
export interface RouterFlags {
  readonly "router-port"?: string | undefined;
  readonly bind?: string | undefined;
  readonly "registry-url"?: string | undefined;
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
  readonly registryUrl?: string;
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
    plugins: [await makePreset(settings)],
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
  const time = (flag: Exclude<keyof RouterFlags, "allow">, least?: string): number | undefined =>
    toMilliseconds(flags[flag], `--${flag}`, least);
  const settings: RouterSettings = {
    registryUrl: checkUrl(flags["registry-url"]),
    allow: checkRanges(flags.allow),
    staticServices: flags["static-services"],
    healthInterval: time("health-interval"),
    healthTimeout: time("health-timeout"),
    maxErrors: toWhole(flags["max-errors"], "--max-errors", "pass a whole number from 1"),
    registrySyncInterval: time("registry-sync-interval"),
    removalGracePeriod: time("service-removal-grace-period", "0"),
    proxyTimeout: toMilliseconds(given(env.PROXY_TIMEOUT_SECONDS), "PROXY_TIMEOUT_SECONDS", "0 (no limit)"),
    cacheTypeThreshold: toWhole(
      given(env.CACHE_TYPE_ROUTING_THRESHOLD),
      "CACHE_TYPE_ROUTING_THRESHOLD",
      "set it to bytes, 0 or more",
    ),
  };
  if (settings.maxErrors === 0) throw usageError("--max-errors 0 is too few", "pass a whole number from 1");
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** An empty variable is as good as none. */
function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** As long as a timer can be told of, in seconds: some 24 days. */
const longest = 2_147_483;

function toMilliseconds(text: string | undefined, origin: string, least = "0.001"): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d+(?:\.\d{1,3})?$/u.test(text) ? Number(text) : Number.NaN;
  if (seconds <= longest && (seconds > 0 || least !== "0.001")) return Math.round(seconds * 1_000);
  throw usageError(`${origin} ${text} is no number of seconds`, `write seconds from ${least} to ${longest}`);
}

function toWhole(text: string | undefined, origin: string, fix: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/u.test(text)) return Number(text);
  throw usageError(`${origin} ${text} is no whole number`, fix);
}

function checkUrl(text: string | undefined): string | undefined {
  if (text === undefined || (/^https?:\/\/[^\s\\@?#/]+[^\s\\@?#]*$/iu.test(text) && URL.canParse(text))) return text;
  if (text.includes("@"))
    throw usageError("--registry-url has credentials in it", "leave them out: a registry is read by all");
  const near = URL.canParse(`http://${text}`) ? `http://${text}` : "http://127.0.0.1:18000";
  throw usageError(`--registry-url ${text} is no URL of a registry`, `did you mean --registry-url ${near}?`);
}

function checkRanges(ranges: readonly string[] = []): readonly string[] | undefined {
  const wrong = ranges.find((range) => !isAddressRange(range));
  if (wrong !== undefined) throw usageError(`--allow ${wrong} is no address range`, addressRangeHint);
  return ranges.length === 0 ? undefined : ranges;
}

async function makePreset(settings: RouterSettings): Promise<readonly Plugin[]> {
  const preset = Object.entries(await importPlugins()).find(([name]) => name === "infinilm")?.[1] as
    | ((options: RouterSettings) => readonly Plugin[])
    | undefined;
  if (preset === undefined) throw new Error("the preset infinilm is missing");
  return preset(settings);
}

function toFields({ registryUrl, staticServices }: RouterSettings): object {
  return {
    registry: registryUrl === undefined ? null : withoutSecrets(registryUrl),
    staticServices: staticServices ?? null,
  };
}

function showSources({ registryUrl, staticServices }: RouterSettings): string {
  const registry = registryUrl === undefined ? "no registry" : `registry ${withoutSecrets(registryUrl)}`;
  const file = staticServices === undefined ? "no static services" : `static services ${relative(".", staticServices)}`;
  return `router: ${registry}, ${file}`;
}

function withoutSecrets(text: string): string {
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname === "/" ? "" : pathname}`;
}
