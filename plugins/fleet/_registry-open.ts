import { resolve } from "node:path";
import type { Redis } from "ioredis";
import type { Storage } from "unstorage";
import type { DiskLog } from "./_registry-disk.ts";
import { createLocalStore } from "./_registry-local.ts";
import type { RegistryStore } from "./_registry-store.ts";

/** `"memory"`, `"file:./directory"`, `"redis://host:6379/0"`, or a storage that was made elsewhere. */
export type StorageOption = string | Storage;

export interface OpenOptions {
  readonly storage: StorageOption;
  /** Services there may be; kept exactly by a storage that several processes share. */
  readonly limit: number;
  readonly random: () => number;
  readonly now: () => number;
  readonly log: DiskLog;
}

/** Why a storage is none, or undefined. */
export function whyNoStorage(storage: unknown): string | undefined {
  const is = typeof storage === "string" ? isKnown(storage) : isStorage(storage);
  return is ? undefined : 'Expected "memory", "file:./directory", "redis://host:6379" or a storage of unstorage';
}

/** Equal for what is the same place, however it is written. */
export function toPlace(storage: StorageOption): string {
  if (typeof storage !== "string") return "storage";
  return storage.startsWith("file:") ? `file:${resolve(toDirectory(storage))}` : storage;
}

/** Makes the store for a storage; what only one kind needs is loaded when it is asked for. */
export async function openStore({ storage, ...rest }: OpenOptions): Promise<RegistryStore> {
  const { now, log } = rest;
  if (storage === "memory") return createLocalStore({ now, log });
  if (typeof storage !== "string") return openStorage(storage, rest);
  if (isRedis(storage)) return openRedis(storage, rest);
  const [{ createStorage }, { createFiles }] = await Promise.all([import("unstorage"), import("./_registry-files.ts")]);
  const driver = createFiles(toDirectory(storage));
  return createLocalStore({ storage: createStorage({ driver }), disposes: true, now, log });
}

type Rest = Omit<OpenOptions, "storage">;

async function openStorage(storage: Storage, rest: Rest): Promise<RegistryStore> {
  const { driver } = storage.getMount("");
  if (driver.name !== "redis") return createLocalStore({ storage, now: rest.now, log: rest.log });
  const { createRedisStore } = await import("./_registry-redis.ts");
  return createRedisStore({ client: driver.getInstance?.() as Redis, ...rest });
}

async function openRedis(url: string, rest: Rest): Promise<RegistryStore> {
  const { createRedisStore } = await import("./_registry-redis.ts");
  const { Redis } = await import("ioredis").catch((cause: unknown) => {
    throw new Error("a registry in Redis needs ioredis: npm install ioredis", { cause });
  });
  // Never connected itself: the store takes its settings.
  return createRedisStore({ client: new Redis(url, { lazyConnect: true }), ...rest });
}

function isKnown(text: string): boolean {
  return text === "memory" || isRedis(text) || (text.startsWith("file:") && toDirectory(text) !== "");
}

function isRedis(text: string): boolean {
  return /^rediss?:\/\/./.test(text) && URL.canParse(text);
}

/** `file:./there`, `file:/there` and `file:///there`. */
function toDirectory(text: string): string {
  return text.slice("file:".length).replace(/^\/\/(?=\/)/, "");
}

function isStorage(value: unknown): boolean {
  return typeof value === "object" && value !== null && "getItemRaw" in value && "getMount" in value;
}
