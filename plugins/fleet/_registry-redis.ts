import type { ConsolaInstance } from "consola";
import type { Redis } from "ioredis";
import { createFollow } from "./_registry-redis-follow.ts";
import type { Change } from "./_registry-redis-commands.ts";
import { toPairs, toStored } from "./_registry-redis-record.ts";
import type { Refusal, RegistryStore, Service } from "./_registry-store.ts";

export interface RedisStoreOptions {
  /**
   * Says where Redis is and how to log in; the store opens two connections of its own with these settings, and leaves
   * this one alone. For example `storage.getMount("").driver.getInstance()` of unstorage's redis driver.
   */
  readonly client: Redis;
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number;
  readonly log: Pick<ConsolaInstance, "warn">;
  /** What the keys begin with. @default "plugboard:registry:" */
  readonly prefix?: string;
  /** Services there may be, exactly, over all processes. @default no limit */
  readonly limit?: number;
  /** Milliseconds Redis may take for an answer. @default 1000 */
  readonly timeout?: number;
  /** Milliseconds between two looks whether it is all there still. @default 1000 */
  readonly interval?: number;
  /** @default Math.random */
  readonly random?: () => number;
}

/**
 * A store in Redis, which is one for all processes that use the same Redis and prefix.
 *
 * Each process has a replica of all services, kept up by messages that carry names only: whatever is known came as an
 * answer on one connection, hence in the order in which Redis did it. Heartbeats are not told; a process asks when a lease
 * has lapsed by what it knows. Redis decides who owns what and whose lease holds, by its own clock. While it is away the
 * replica stands still and nothing lapses; if it comes back without its data, the processes put back what they know.
 */
export function createRedisStore(options: RedisStoreOptions): RegistryStore {
  const { client, now, log, limit = -1, timeout = 1_000, interval = 1_000, random = Math.random } = options;
  if (client.isCluster) throw new TypeError("A cluster of Redis cannot hold a registry; give a client of one server");
  const root = toRoot(client, options.prefix ?? "plugboard:registry:");
  const follow = createFollow({ client, root, now, random, log, timeout, interval });
  const { replica } = follow;

  function change(beat: Omit<Change, "known">): Promise<Service | Refusal> {
    const { name } = beat;
    return follow.write(
      (commands, epoch) => commands.change(epoch, { ...beat, known: replica.version(name) }),
      (shown) => replica.put(name, shown),
    );
  }

  return {
    get epoch() {
      return follow.epoch;
    },
    get size() {
      return replica.size;
    },
    open: (events) => follow.open(events),
    all: () => replica.all(),
    get: (name) => replica.get(name),
    register: (registration, claim) =>
      follow.write(
        (commands, epoch) => commands.register(epoch, toStored(registration), claim, limit),
        (shown) => replica.put(registration.name, shown),
      ),
    update: (name, patch, claim) => change({ name, claim, beats: true, pairs: toPairs(patch) }),
    heartbeat: (name, status, claim) =>
      change({ name, claim, beats: true, pairs: status === undefined ? [] : ["status", status] }),
    remove: (name, claim) =>
      follow.write(
        (commands, epoch) => commands.remove(epoch, name, claim),
        (shown) => {
          const service = replica.view(name, shown);
          replica.drop(name, true);
          return service;
        },
      ),
    async checked(name, health, beats) {
      await change({ name, claim: undefined, beats: beats && health === "healthy", pairs: ["health", health] });
    },
    close: () => follow.close(),
  };
}

/** In braces, so that all keys are in one slot wherever slots matter. */
function toRoot({ options }: Redis, prefix: string): string {
  const root = `${options.keyPrefix ?? ""}${prefix}`;
  return /\{.+\}/.test(root) ? root : `{${root}}`;
}
