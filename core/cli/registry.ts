import { relative } from "node:path";
import type { ProxyConfig } from "../contract/proxy.ts";
import { parsePort } from "./args.ts";
import { usageError } from "./failure.ts";
import { given, makePlugin, parseRanges, parseSeconds } from "./flags.ts";
import { applyRustLog } from "./rust-log.ts";
import { serveSource } from "./serve.ts";

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

type Environment = Readonly<Record<string, string | undefined>>;

/** The options of the plugin `registry`; what was not given is left to its defaults. */
export interface RegistrySettings {
  readonly healthInterval?: number;
  readonly healthTimeout?: number;
  readonly cleanupInterval?: number;
  readonly storage?: string;
  readonly token?: string;
  readonly writers?: readonly string[];
  readonly allow?: readonly string[];
}

/** Serves a registry, with the flags of InfiniLM's, and goes on until a signal ends the process. */
export async function registry({ json, ...flags }: RegistryFlags & { readonly json: boolean }): Promise<void> {
  applyRustLog();
  const settings = toSettings(flags, process.env);
  const port = parsePort(flags.port ?? "8081", "--port");
  const host = flags.bind ?? "0.0.0.0";
  const config: ProxyConfig = { plugins: [await makePlugin("registry", settings)] };
  await serveSource({
    json,
    https: false,
    watch: false,
    address: () => ({ port, host }),
    readSource: () => Promise.resolve({ config, file: undefined, files: [] }),
    shown: {
      config: `registry: ${showWriters(settings)}, ${showState(settings)}`,
      fields: toFields(settings),
      targets: false,
    },
  });
}

/** @throws Failure that names the flag and its value, unless that may be a secret */
export function toSettings(flags: RegistryFlags, env: Environment): RegistrySettings {
  const writers = parseRanges(split(flags.writers), "--writers");
  const settings: RegistrySettings = {
    healthInterval: parseSeconds(flags["health-interval"], "--health-interval", "0 (none)"),
    healthTimeout: parseSeconds(flags["health-timeout"], "--health-timeout"),
    cleanupInterval: parseSeconds(flags["cleanup-interval"], "--cleanup-interval"),
    storage: checkStorage(flags.storage),
    token: checkToken(flags.token, env),
    // What opens it to other machines does not close it to this one.
    writers: writers === undefined || writers.includes("loopback") ? writers : ["loopback", ...writers],
    allow: parseRanges(split(flags.allow), "--allow"),
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** Repeated, or with commas between them. */
function split(ranges: readonly string[] | undefined): readonly string[] | undefined {
  return ranges?.flatMap((text) => text.split(",")).map((text) => text.trim());
}

function checkStorage(text: string | undefined): string | undefined {
  if (text === undefined || text === "memory" || /^file:./u.test(text)) return text;
  if (/^rediss?:\/\/./u.test(text) && URL.canParse(text)) return text;
  throw usageError(`--storage ${unseen(text)} is no storage`, "pass memory, file:DIRECTORY or redis://HOST:PORT");
}

function checkToken(flag: string | undefined, env: Environment): string | undefined {
  const token = flag ?? given(env.PLUGBOARD_REGISTRY_TOKEN);
  if (token === undefined || /^[\x21-\x7e]{16,}$/u.test(token)) return token;
  const origin = flag === undefined ? "PLUGBOARD_REGISTRY_TOKEN" : "--token";
  throw usageError(`${origin} is less than 16 characters without spaces`, "make one with: openssl rand -hex 32");
}

function showWriters({ token, writers = ["loopback"] }: RegistrySettings): string {
  return token === undefined ? `${writers.join(", ")} may write` : "writers need the token";
}

function showState({ storage = "memory" }: RegistrySettings): string {
  if (storage === "memory") return "state in memory, so a restart forgets it";
  const directory = /^file:(.*)$/u.exec(storage)?.[1];
  return `state in ${directory === undefined ? unseen(storage) : relative(".", directory) || "."}`;
}

function toFields({ token, writers = ["loopback"], storage = "memory" }: RegistrySettings): object {
  return { writers: token === undefined ? writers : "token", storage: unseen(storage) };
}

/** Without what logs in to it. */
function unseen(storage: string): string {
  return storage.replace(/[^/\s]*@/u, "***@").replace(/\?.*$/u, "");
}
