import type { ConsolaInstance } from "consola";
import type { Redis, RedisOptions } from "ioredis";

export interface ConnectionOptions {
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number;
  readonly log: Pick<ConsolaInstance, "info" | "warn">;
  /** What is done while it is away, for the log. */
  readonly meanwhile: string;
}

/** A connection to Redis that comes back by itself, and nothing waits for long. */
export interface Connection {
  readonly redis: Redis;
  readonly ready: boolean;
  /** Waits for a moment, and goes on without. */
  open(): Promise<void>;
  works(): void;
  readonly failed: (error: unknown) => void;
  close(): Promise<void>;
}

/** Milliseconds for an answer: each request waits for one. */
const patience = 500;
/** Milliseconds in which it is told once that Redis is away. */
const quiet = 60_000;

/** What is asked is asked now or not at all. */
export function connectionOptions(random: () => number): RedisOptions {
  return {
    lazyConnect: true,
    keyPrefix: "",
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    stringNumbers: false,
    commandTimeout: patience,
    connectTimeout: patience * 2,
    disconnectTimeout: patience,
    keepAlive: 10_000,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000) * (0.5 + random() / 2),
    // After a failover this may be what used to be the primary.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
}

export function keepConnected(redis: Redis, { now, log, meanwhile }: ConnectionOptions): Connection {
  let away = false;
  let told = false;
  let toldAt = Number.NEGATIVE_INFINITY;
  let closing = false;

  function lost(error: unknown): void {
    if (away || closing) return;
    away = true;
    told = now() - toldAt >= quiet;
    if (!told) return;
    toldAt = now();
    log.warn(`Redis is away; until it is back, ${meanwhile}:`, error instanceof Error ? error.message : error);
  }

  function works(): void {
    if (!away) return;
    away = false;
    if (told) log.info("Redis is back, and counts again");
  }

  redis.on("error", lost);
  redis.on("close", () => lost("it closed the connection"));
  redis.on("ready", works);
  return {
    redis,
    get ready() {
      return redis.status === "ready";
    },
    works,
    failed(error) {
      lost(error);
      // One that does not answer may be dead without having been closed; until it is known, nobody waits for it.
      if (redis.status === "ready" && String(error).includes("timed out")) redis.disconnect(true);
    },
    open: () => redis.connect().catch(lost),
    async close() {
      closing = true;
      const { status } = redis;
      const ended = new Promise<void>((resolve) => void redis.once("end", resolve));
      // What is being settled was written, and still gets there.
      redis.disconnect();
      // Between two attempts there is nothing to be closed, and no event will say so.
      if (status !== "end" && status !== "reconnecting") await ended;
    },
  };
}
