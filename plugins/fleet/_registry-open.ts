import type { Redis } from "ioredis";
import type { Storage } from "unstorage";
import type { DiskLog } from "./_registry-disk.ts";
import { createLocalStore } from "./_registry-local.ts";
import { isRedis, type StorageOption, toDirectory } from "./_registry-place.ts";
import type { RegistryStore } from "./_registry-store.ts";

export interface OpenOptions {
  readonly storage: StorageOption;
  /** Services there may be; kept exactly by a storage that several processes share. */
  readonly limit: number;
  readonly random: () => number;
  readonly now: () => number;
  readonly log: DiskLog;
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
