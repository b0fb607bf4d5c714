import type { ConsolaInstance } from "consola";
import type { RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { type Connection, connectionOptions, keepConnected } from "./_rate-connection.ts";
import type { Claim, Meter, RateStore, Taken } from "./_rate-windows.ts";

export interface SharedStoreOptions {
  readonly url: string;
  /** What the keys begin with. */
  readonly prefix: string;
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
  readonly log: Pick<ConsolaInstance, "info" | "warn">;
  /** Counts while Redis is away. @default nobody does */
  readonly meanwhile: RateStore | undefined;
}

export interface SharedStore extends RateStore {
  close(): Promise<void>;
}

/** Limiters are made by their numbers, of which a config has few. */
const mostLimiters = 1_000;

/**
 * The library's own counts what it refuses, and what is given back late gives the next window more than its limit. KEYS: the
 * window; ARGV: amount, whole seconds, limit, seconds. Returns what was used, with what did not fit, and its milliseconds.
 */
const script = `
local amount, most = tonumber(ARGV[1]), tonumber(ARGV[3])
local used = tonumber(redis.call('get', KEYS[1]) or 0)
local left = redis.call('pttl', KEYS[1])
local fresh = left < 0
if fresh then
  used = 0
  left = math.floor(ARGV[4] * 1000 + 0.5)
end
if amount < 0 then
  if used == 0 then return {0, left} end
  return {redis.call('incrby', KEYS[1], math.max(amount, -used)), left}
end
if used + amount > most then return {used + amount, left} end
if fresh then redis.call('set', KEYS[1], amount, 'PX', left) else redis.call('incrby', KEYS[1], amount) end
return {used + amount, left}
`;

/** Counts in Redis, for all processes with the same prefix; waits a moment for the connection, and goes on without it. */
export async function openShared({
  url,
  prefix,
  random,
  meanwhile,
  ...rest
}: SharedStoreOptions): Promise<SharedStore> {
  const [{ Redis }, { RateLimiterRedis, RateLimiterRes }] = await load();
  const connection = keepConnected(new Redis(url, connectionOptions(random)), {
    ...rest,
    meanwhile: meanwhile === undefined ? "nothing is counted" : "this process counts by itself",
  });
  const limiterOf = createLimiters(RateLimiterRedis, connection);
  const idOf = ({ meter, key }: Claim): string => `${prefix}${meter.rule}:${meter.kind}:${key}`;

  async function ask(claim: Claim): Promise<Taken | undefined> {
    const { meter, amount, most } = claim;
    try {
      const answer = await limiterOf(meter, most)
        .consume(idOf(claim), amount)
        .catch((thrown: unknown) => refusalOf(thrown, RateLimiterRes));
      connection.works();
      const fits = answer.consumedPoints <= most;
      const used = fits ? answer.consumedPoints : answer.consumedPoints - amount;
      return { claim, fits, used, ends: rest.now() + answer.msBeforeNext, store };
    } catch (error) {
      connection.failed(error);
      return meanwhile?.take(claim);
    }
  }

  const store: SharedStore = {
    take: (claim) => (connection.ready ? ask(claim) : meanwhile?.take(claim)),
    correct({ claim, ends }, by) {
      if (!connection.ready || (by < 0 && rest.now() >= ends)) return;
      const limitless = limiterOf(claim.meter, Number.MAX_SAFE_INTEGER);
      const change = by < 0 ? limitless.reward(idOf(claim), -by) : limitless.penalty(idOf(claim), by);
      change.catch(connection.failed);
    },
    close: () => connection.close(),
  };
  await connection.open();
  return store;
}

function createLimiters(
  Limiter: typeof RateLimiterRedis,
  { redis }: Connection,
): (meter: Meter, most: number) => RateLimiterRedis {
  const made = new Map<string, RateLimiterRedis>();
  return ({ per }, points) => {
    const key = `${per} ${points}`;
    const known = made.get(key);
    if (known !== undefined) return known;
    if (made.size === mostLimiters) made.clear();
    const duration = per / 1_000;
    const limiter = new Limiter({
      storeClient: redis,
      keyPrefix: "",
      points,
      duration,
      customIncrTtlLuaScript: script,
    });
    made.set(key, limiter);
    return limiter;
  };
}

type Libraries = [Pick<typeof import("ioredis"), "Redis">, typeof import("rate-limiter-flexible")];

function load(): Promise<Libraries> {
  return Promise.all([import("ioredis"), import("rate-limiter-flexible")]).catch((cause: unknown) => {
    throw new Error("limits in Redis need two packages: npm install ioredis rate-limiter-flexible", { cause });
  });
}

function refusalOf(thrown: unknown, refusal: typeof RateLimiterRes): RateLimiterRes {
  if (thrown instanceof refusal) return thrown;
  throw thrown;
}
