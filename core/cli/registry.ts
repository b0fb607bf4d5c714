import { resolve } from "node:path";
import { addressRangeHint, isAddressRange } from "../wire/address-rules.ts";
import { parsePort } from "./args.ts";
import { shorten } from "./config-source.ts";
import { usageError } from "./failure.ts";
import { readToken } from "./registry-access.ts";
import { importFactory, type Readiness, runPlugins } from "./run-plugins.ts";
import { applyRustLog } from "./rust-log.ts";
import { parseSeconds } from "./seconds.ts";

/** The flags of InfiniLM's registry, as they were given, and ours; durations in seconds. */
export interface RegistryFlags {
  readonly port?: string | undefined;
  readonly bind?: string | undefined;
  readonly "health-interval"?: string | undefined;
  readonly "health-timeout"?: string | undefined;
  readonly "cleanup-interval"?: string | undefined;
  readonly storage?: string | undefined;
  readonly token?: string | undefined;
  readonly writers?: readonly string[] | undefined;
  readonly allow?: readonly string[] | undefined;
}

/** The options of the plugin `registry`. */
export interface RegistrySettings {
  readonly storage: string;
  readonly token?: string;
  readonly writers: readonly string[];
  readonly allow?: readonly string[];
  readonly healthInterval: number;
  readonly healthTimeout: number;
  readonly cleanupInterval: number;
}

/** Serves in the place of InfiniLM's registry, and goes on until a signal ends the process. */
export async function registry({ json, ...flags }: RegistryFlags & { readonly json: boolean }): Promise<void> {
  applyRustLog();
  const settings = toSettings(flags);
  const address = { port: parsePort(flags.port ?? "8081", "--port"), host: flags.bind ?? "0.0.0.0" };
  await runPlugins({
    json,
    address,
    plugins: async () => [(await importFactory("plugins/fleet/registry", "registry"))(settings)],
    ready: (_proxy, bound) => describe(settings, bound?.urls ?? []),
  });
}

/** @throws Failure that names the flag or the variable; never with a token */
export function toSettings(flags: RegistryFlags): RegistrySettings {
  const { storage = "memory", writers = [] } = flags;
  const token = readToken(flags.token, 16);
  const allow = toRanges(flags.allow ?? [], "--allow");
  return {
    storage: toStorage(storage),
    ...(token !== undefined && { token }),
    // A registry that its own machine may not write to is a trap, not a wish.
    writers: [...new Set(["loopback", ...toRanges(writers, "--writers")])],
    ...(allow.length > 0 && { allow }),
    healthInterval: parseSeconds(flags["health-interval"] ?? "30", "--health-interval", 0),
    healthTimeout: parseSeconds(flags["health-timeout"] ?? "5", "--health-timeout"),
    cleanupInterval: parseSeconds(flags["cleanup-interval"] ?? "60", "--cleanup-interval"),
  };
}

function toRanges(texts: readonly string[], flag: string): readonly string[] {
  const ranges = texts.flatMap((text) => text.split(",")).map((text) => text.trim());
  const wrong = ranges.find((range) => !isAddressRange(range));
  if (wrong !== undefined) throw usageError(`${flag} ${wrong} is no address range`, addressRangeHint);
  return ranges;
}

function toStorage(text: string): string {
  const directory = /^file:(.+)$/u.exec(text)?.[1];
  if (directory !== undefined) return `file:${resolve(directory)}`;
  if (text === "memory" || (/^rediss?:\/\/./u.test(text) && URL.canParse(text))) return text;
  // What it was is not repeated: it may hold a password.
  throw usageError(
    "--storage is none of memory, file:DIRECTORY and redis://HOST:6379",
    "pass --storage file:./registry",
  );
}

function describe({ storage, token, writers }: RegistrySettings, urls: readonly string[]): Readiness {
  const who = token === undefined ? `${writers.join(", ")}, without a token` : "whoever has the token";
  const where = showStorage(storage);
  return {
    title: "registry",
    urls,
    rows: [
      ["writers", writers.length > 1 || token !== undefined ? who : `${who}; for others: --token or --writers`],
      ["state", where === "memory" ? "in memory, gone when this ends; to keep it: --storage" : where],
    ],
    fields: { writers: token === undefined ? writers : "token", storage: where },
  };
}

function showStorage(storage: string): string {
  if (storage.startsWith("file:")) return shorten(storage.slice("file:".length));
  return storage === "memory" ? storage : new URL(storage).host;
}
