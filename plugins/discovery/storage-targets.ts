import type { Storage } from "unstorage";
import * as v from "valibot";
import { definePlugin, type Plugin } from "../../core/index.ts";
import { backoff, follow } from "./_follow.ts";
import { knownTargets, type LastStored, readStored } from "./_stored-targets.ts";
import { interval, poolName } from "./_target-spec.ts";

export interface StorageTargetsOptions {
  /** Made by `createStorage` of unstorage. It stays yours: the plugin never disposes of it. */
  storage: Storage;
  /** What the keys begin with, such as `targets`. @default "", all keys */
  base?: string;
  /** The pool they belong to. @default "default" */
  pool?: string;
  /** Milliseconds after which the storage is read even if it told of no change. @default 10000 */
  interval?: number;
}

/** Milliseconds after which a storage counts as away: some drivers queue for ever what they cannot send. */
const patience = 5_000;

const schema: v.GenericSchema<StorageTargetsOptions, Required<StorageTargetsOptions>> = v.strictObject({
  storage: v.custom<Storage>(
    (value) =>
      typeof value === "object" && value !== null && "getItems" in value && "watch" in value && "mount" in value,
    "Expected a storage of unstorage, such as createStorage({ driver })",
  ),
  base: v.optional(
    v.pipe(
      v.string(),
      v.transform((base) => base.replaceAll(/[/\\:]+/g, ":").replaceAll(/^:|:$/g, "")),
      v.regex(/^(?!(?:.*:)?\.{1,2}(?::|$))[^?]*$/, "Expected what keys begin with, such as targets:gpu"),
    ),
    "",
  ),
  pool: poolName,
  interval: v.optional(interval, 10_000),
} satisfies Record<keyof StorageTargetsOptions, unknown>);

/**
 * Puts the targets kept in a storage of unstorage into a pool, and follows it.
 *
 * For targets that other programs write, to files, Redis, an HTTP server and whatever else unstorage has a driver for:
 * each key below `base` holds a target as `staticTargets` takes it, a URL or a spec as JSON, or a list of them. Followed
 * at once where the driver can watch, which is for files and for what this process writes, and read each `interval`
 * anyway. An item that is not valid keeps what it said before, and the status of the proxy names its key. A storage that
 * fails, does not answer within 5 seconds, or suddenly has no key at all changes nothing, also over a reload; `[]` under
 * a key empties the pool. The start waits for the first answer and does not fail without one. `check` and `explain` read
 * nothing and have no targets.
 *
 * @example
 * storageTargets({ storage: createStorage({ driver: fsDriver({ base: "./state" }) }), base: "targets" });
 */
export const storageTargets: (options: StorageTargetsOptions) => Plugin = definePlugin({
  name: "storage-targets",
  options: schema,
  multiple: true,
  setup(proxy, { storage, base, pool, interval: period }) {
    const last = proxy.keep<LastStored>(`${pool} ${base}`, () => new Map());

    proxy.provide("discovery", `storage-targets ${pool} ${base}`, {
      pool,
      async start(sink, signal) {
        if (signal.aborted) return;
        if (proxy.mode !== "serve") return sink.replace([]);
        const { ask } = follow({
          sink,
          signal,
          ask: () =>
            inTime(readStored(storage, base, last), signal).catch((error: unknown) => ({
              targets: knownTargets(last),
              fault: error instanceof Error ? error : new Error(String(error)),
            })),
          wait: (failures) => (failures === 0 ? period : Math.min(backoff(failures, proxy.random), period)),
        });
        await ask();
        void watch(storage, base, signal, () => void ask());
      },
    });
  },
});

/** Never rejects, and is not waited for: the storage is read each interval all the same. */
async function watch(storage: Storage, base: string, signal: AbortSignal, changed: () => void): Promise<void> {
  try {
    const unwatch = await storage.watch((_, key) => {
      if (base === "" || key === base || key.startsWith(`${base}:`)) changed();
    });
    if (signal.aborted) return await stop(unwatch);
    signal.addEventListener("abort", () => void stop(unwatch), { once: true });
    // What was written since it was read.
    changed();
  } catch {
    // A directory that cannot be watched, or made.
  }
}

async function stop(unwatch: () => unknown): Promise<void> {
  try {
    await unwatch();
  } catch {
    // It is over either way, and nobody is left to tell.
  }
}

async function inTime<T>(reading: Promise<T>, signal: AbortSignal): Promise<T> {
  const { end, settle } = ending(signal);
  try {
    return await Promise.race([reading, end]);
  } finally {
    settle();
  }
}

/** Rejects when there is no time left, unless it is settled before. */
function ending(signal: AbortSignal): { readonly end: Promise<never>; settle(): void } {
  let settle = (): void => undefined;
  const end = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${patience} ms`)), patience);
    const abort = (): void => reject(new Error("aborted"));
    signal.addEventListener("abort", abort);
    settle = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
  });
  return { end, settle };
}
