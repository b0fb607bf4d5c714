import type { Redis, RedisOptions } from "ioredis";

export interface LinkOptions {
  /** Its settings are used, and not itself. */
  readonly client: Redis;
  readonly channel: string;
  /** Milliseconds for an answer. */
  readonly timeout: number;
  readonly random: () => number;
  message(text: string): void;
  lost(error: Error): void;
}

/** Two connections of its own to Redis: one for commands, and one that is told what others changed. */
export interface Link {
  readonly commands: Redis;
  /** Resolves when both can be used; with `strict` it rejects when that fails, instead of waiting for better times. */
  ready(strict: boolean): Promise<void>;
  subscribe(): Promise<void>;
  /** Rejects if nothing more would be heard from Redis. */
  ping(): Promise<void>;
  /** Connects anew, as one that does not answer may be dead without having been closed. */
  renew(): void;
  close(): Promise<void>;
}

export function createLink({ client, channel, timeout, random, message, lost }: LinkOptions): Link {
  const options = toOptions(timeout, random);
  const commands = client.duplicate(options);
  const feed = client.duplicate(options);
  const both = [commands, feed] as const;
  const closing = new AbortController();
  for (const connection of both) {
    let failure: Error | undefined;
    connection.on("error", (error: Error) => void (failure = error));
    connection.on("ready", () => void (failure = undefined));
    connection.on("close", () => {
      if (!closing.signal.aborted) lost(failure ?? new Error("it closed the connection"));
    });
  }
  feed.on("message", (_, text: string) => message(text));

  return {
    commands,
    async ready(strict) {
      await Promise.all(
        both.map((connection) => isReady(connection, closing.signal, strict ? timeout * 4 : undefined)),
      );
    },
    async subscribe() {
      await feed.subscribe(channel);
    },
    async ping() {
      await feed.ping();
    },
    renew() {
      for (const connection of both) if (connection.status === "ready") connection.disconnect(true);
    },
    async close() {
      closing.abort(new Error("the store was closed"));
      await Promise.all(both.map(end));
    },
  };
}

function toOptions(timeout: number, random: () => number): RedisOptions {
  return {
    lazyConnect: true,
    // Only the commands' keys would get it, and not the channel.
    keyPrefix: "",
    // Whoever writes is told at once that Redis is away, and nothing is written that was given up.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // Answers are taken in in the order in which Redis gave them.
    enableAutoPipelining: false,
    enableReadyCheck: true,
    readOnly: false,
    stringNumbers: false,
    commandTimeout: timeout,
    connectTimeout: timeout,
    disconnectTimeout: timeout / 2,
    maxLoadingRetryTime: timeout,
    keepAlive: 10_000,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000) * (0.5 + random() / 2),
    // After a failover this may be what used to be the primary.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
}

async function isReady(connection: Redis, closed: AbortSignal, patience: number | undefined): Promise<void> {
  closed.throwIfAborted();
  if (connection.status === "ready") return;
  const done = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = patience === undefined ? ignore : reject;
      listen(connection, "ready", () => resolve(), done.signal);
      listen(connection, "error", fail, done.signal);
      closed.addEventListener("abort", () => reject(closed.reason as Error), { signal: done.signal });
      if (patience !== undefined) {
        const timer = setTimeout(() => reject(new Error(`no answer within ${patience} ms`)), patience);
        done.signal.addEventListener("abort", () => clearTimeout(timer));
      }
      // It ends by itself where a sentinel gives up.
      if (connection.status === "wait" || connection.status === "end") connection.connect().catch(fail);
    });
  } finally {
    done.abort();
  }
}

// It tries again by itself.
function ignore(): void {}

function listen(connection: Redis, event: "ready" | "error", heard: (error: Error) => void, until: AbortSignal): void {
  connection.on(event, heard);
  until.addEventListener("abort", () => void connection.off(event, heard));
}

async function end(connection: Redis): Promise<void> {
  const { status } = connection;
  const ended = new Promise<void>((resolve) => void connection.once("end", resolve));
  connection.disconnect();
  // Between two attempts there is nothing to be closed, and no event will say so.
  if (status !== "end" && status !== "reconnecting") await ended;
}
