import { createConsola } from "consola";
import type { RedisOptions } from "ioredis";
import { createRedisStore, type RedisStoreOptions } from "plugboard/plugins/fleet/_registry-redis";
import type { Refusal, RegistryStore, Service, StoreEvents } from "plugboard/plugins/fleet/_registry-store";
import { afterAll, expect, onTestFinished, vi } from "vitest";
import type { RedisServer } from "../../redis.ts";
import { startRedis } from "../../redis.ts";

export const now = (): number => performance.now();

export interface Opened {
  readonly store: RegistryStore;
  /** What it told, in order: `+name`, `-name reason`, `stale message`, `fresh`. */
  readonly told: string[];
}

export interface OpenOptions extends Partial<RedisStoreOptions> {
  readonly redis?: RedisOptions;
}

/** Opens a store, as one of several processes would; it is closed after the test. */
export async function openStore(server: RedisServer, { redis, ...options }: OpenOptions = {}): Promise<Opened> {
  const told: string[] = [];
  const log = createConsola({ level: -999 });
  const store = createRedisStore({ client: server.client(redis), now, log, ...options });
  onTestFinished(() => store.close());
  await store.open(tell(told));
  return { store, told };
}

export function tell(told: string[]): StoreEvents {
  return {
    upserted: ({ name }) => void told.push(`+${name}`),
    removed: (name, reason) => void told.push(`-${name} ${reason}`),
    stale: (error) => void told.push(error === undefined ? "fresh" : `stale ${error.message}`),
  };
}

/** One server for the tests of a file that leave it alone, each under a prefix of its own. */
export function shareRedis(): () => Promise<RedisServer> {
  let started: Promise<RedisServer> | undefined;
  afterAll(async () => (await started)?.close());
  return () => (started ??= startRedis());
}

/** A server for one test. */
export async function ownRedis(options?: { durable?: boolean }): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

/** Until so many milliseconds have passed by the clock that leases go by: that of Redis. */
export async function passes(server: RedisServer, ms: number): Promise<void> {
  const client = server.client();
  const read = async (): Promise<number> => {
    const [seconds, micros] = await client.time();
    return Number(seconds) * 1_000 + Number(micros) / 1_000;
  };
  const end = (await read()) + ms;
  const check = async (): Promise<void> => expect(await read()).toBeGreaterThanOrEqual(end);
  await vi.waitFor(check, { interval: 10, timeout: ms + 4_000 });
  client.disconnect();
}

/** Until a store's own clock has passed a time, such as the end of a lease that nobody can ask Redis about. */
export async function isPast(time: number): Promise<void> {
  await vi.waitFor(() => expect(now()).toBeGreaterThan(time), { interval: 10, timeout: 4_000 });
}

let prefixes = 0;

export function newPrefix(): string {
  return `test-${++prefixes}:`;
}

export function names(store: RegistryStore): string[] {
  return [...store.all()].map(({ name }) => name).toSorted();
}

export function isService(answer: Service | Refusal): answer is Service {
  return typeof answer === "object";
}
