import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Jiti } from "jiti";
import type { ConfigFunction, ProxyConfig } from "../contract/proxy.ts";
import { takeFromNode } from "./fresh.ts";
import { ConfigLoadError, toLoadError } from "./load-error.ts";
import { extension, importPlugins, own } from "./own-modules.ts";

export interface LoadedConfig {
  readonly config: ProxyConfig | ConfigFunction;
  /** The config and every file of the project that it imports. */
  readonly files: readonly string[];
}

export interface LoadOptions {
  /** Files of the load before, or of its error: all of them are read anew. */
  readonly stale?: readonly string[];
  /** Lists the `.js` and `.mjs` files too, which Node would load out of sight. @default true with `stale` */
  readonly watch?: boolean;
}

const names = ["proxy.config.ts", "proxy.config.mts", "proxy.config.js", "proxy.config.mjs"];

/** Finds the config of a directory. */
export function findConfig(directory: string): string | undefined {
  return names.map((name) => join(directory, name)).find((path) => existsSync(path));
}

/**
 * Loads a config file, TypeScript or not, with all that it imports. Its `plugboard` is the instance that is running.
 *
 * @throws ConfigLoadError with the place in the user's files
 */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  const { value, file, files } = await loadDefault(path, options);
  if (isConfig(value)) return { config: value, files };
  const has = value === undefined ? "has no default export" : `exports ${describe(value)} as default`;
  throw new ConfigLoadError(file, files, {
    message: `the config ${has}`,
    fix: "export default defineProxy({ plugins: [...] })",
  });
}

export interface LoadedDefault {
  /** The default export; undefined when there is none. */
  readonly value: unknown;
  /** Absolute. */
  readonly file: string;
  readonly files: readonly string[];
}

/** Loads any file as a config is loaded. Throws as `loadConfig` does, but for what is exported. */
export async function loadDefault(path: string, options: LoadOptions = {}): Promise<LoadedDefault> {
  const file = resolve(path);
  refuseMissing(file);
  const modules = await ownModules();
  const jiti = await createLoader(file, modules);
  if (options.watch ?? options.stale !== undefined) takeFromNode();
  if (options.stale !== undefined) forget(jiti, options.stale);
  const before = new Set(Object.keys(jiti.cache));
  const listFiles = (): string[] => filesOf(file, jiti, before);
  const exported = await jiti.import<object>(file).catch((error: unknown) => {
    throw toLoadError(error, { file, files: listFiles(), modules });
  });
  return { value: "default" in exported ? exported.default : undefined, file, files: listFiles() };
}

function refuseMissing(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() === true) return;
  const message = found === undefined ? "there is no such file" : "this is not a file";
  throw new ConfigLoadError(file, [file], {
    message,
    fix: "pass the path of one, or write one with: plugboard init",
  });
}

async function createLoader(file: string, modules: Readonly<Record<string, object>>): Promise<Jiti> {
  const { createJiti } = await import("jiti");
  return createJiti(file, {
    moduleCache: true,
    fsCache: cacheDirectory(dirname(file)),
    virtualModules: modules,
    alias: {
      "plugboard/plugins/": own("plugins/"),
      "plugboard/testing": own(`core/testing/index${extension}`),
    },
  });
}

/** Handed to the config as they are, so that it can never load a second copy of core. */
async function ownModules(): Promise<Record<string, object>> {
  return { plugboard: await import("../index.ts"), "plugboard/plugins": await importPlugins() };
}

/** Transpiled code is run as it is found, so it is never kept in a temporary directory that others can write to. */
function cacheDirectory(directory: string): string {
  const modules = join(directory, "node_modules");
  if (existsSync(modules)) return join(modules, ".cache", "plugboard");
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "plugboard");
}

/** The files of the load before, and those that the project has imported since while it ran. */
function forget({ cache }: Jiti, stale: readonly string[]): void {
  for (const key of [...stale, ...Object.keys(cache).filter((one) => !isForeign(one))]) delete cache[key];
}

function filesOf(file: string, jiti: Jiti, before: ReadonlySet<string>): string[] {
  const loaded = Object.keys(jiti.cache).filter((key) => !before.has(key) && !isForeign(key));
  return [...new Set([file, ...loaded])];
}

function isForeign(key: string): boolean {
  return /[\\/]node_modules[\\/]/u.test(key) || key.startsWith(own("core/")) || key.startsWith(own("plugins/"));
}

/** What is in it is validated later, with all that is wrong told at once. */
function isConfig(value: unknown): value is ProxyConfig | ConfigFunction {
  return typeof value === "function" || (typeof value === "object" && value !== null && !Array.isArray(value));
}

function describe(value: unknown): string {
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
