import * as v from "valibot";
import { definePlugin, type Plugin, type Setup } from "../../core/index.ts";
import type { Client } from "./_client.ts";
import { dropShown } from "./_rate-headers.ts";
import { createLimiter, type Limit } from "./_rate-limiter.ts";
import type { SharedStore } from "./_rate-redis.ts";
import { limitsSomething, type RateLimitRule, type Rule, ruleEntries, ruleName, toRule } from "./_rate-rules.ts";
import { createLocalStore, type Meter, type RateKind, type RateStore, type RateWindow } from "./_rate-windows.ts";

export type { RateLimitBy, RateLimitRule } from "./_rate-rules.ts";

/** One rule, or several as `rules`. */
export interface RateLimitOptions extends RateLimitRule {
  /** Limits that hold at once, in place of one that stands here. */
  rules?: readonly RateLimitRule[];
  /** Tokens that an answer is taken to have when its request does not say how long it may be. @default 500 */
  reserve?: number;
  /** Tells clients their limits, in the headers `x-ratelimit-*` of OpenAI. @default true */
  headers?: boolean;
  /**
   * `redis://host:6379`: counts there, for all processes with the same `prefix`. Needs the packages ioredis and
   * rate-limiter-flexible. @default in memory
   */
  redis?: string;
  /** What the keys in Redis begin with; with the names of the rules it tells limits apart. @default "plugboard:rate-limit:" */
  prefix?: string;
  /** While Redis is away: count in memory, let all pass, or refuse all with 503. @default "local" */
  unavailable?: "local" | "pass" | "refuse";
  /** Keys that are counted in memory for each limit; of more, the one whose window began first is forgotten. @default 100000 */
  maxKeys?: number;
  /** A monotonic clock, in milliseconds. @default performance.now */
  now?: () => number;
}

interface Settings {
  readonly rules: readonly RateLimitRule[];
  readonly reserve: number;
  readonly headers: boolean;
  readonly redis?: string | undefined;
  readonly prefix: string;
  readonly unavailable: "local" | "pass" | "refuse";
  readonly maxKeys: number;
  readonly now: () => number;
}

const rule = v.pipe(v.strictObject(ruleEntries), v.check(limitsSomething, "Expected requests, tokens or concurrent"));

const ruleNames = Object.keys(ruleEntries) as (keyof RateLimitRule)[];

const schema: v.GenericSchema<RateLimitOptions, Settings> = v.pipe(
  v.strictObject({
    ...ruleEntries,
    rules: v.optional(v.pipe(v.array(rule), v.minLength(1, "Expected at least one rule"))),
    reserve: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e9)), 500),
    headers: v.optional(v.boolean(), true),
    redis: v.optional(v.pipe(v.string(), v.regex(/^rediss?:\/\/./, "Expected a URL such as redis://127.0.0.1:6379"))),
    prefix: v.optional(v.pipe(v.string(), v.maxLength(128)), "plugboard:rate-limit:"),
    unavailable: v.optional(v.picklist(["local", "pass", "refuse"], 'Expected "local", "pass" or "refuse"'), "local"),
    maxKeys: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1, "Expected 1 or more")), 100_000),
    now: v.optional(
      v.custom<() => number>((value) => typeof value === "function", "Expected a function that tells the time"),
      () => () => performance.now(),
    ),
  } satisfies Record<keyof RateLimitOptions, unknown>),
  v.check(
    (given) => given.rules === undefined || ruleNames.every((name) => given[name] === undefined),
    "Expected either rules or one rule, not both",
  ),
  v.transform(({ requests, tokens, concurrent, per, by, models, name, rules, ...rest }) => ({
    ...rest,
    rules: rules ?? [{ requests, tokens, concurrent, per, by, models, name }],
  })),
  v.check(({ rules }) => rules.every(limitsSomething), "Expected requests, tokens or concurrent"),
  v.check(
    ({ rules }) => new Set(rules.map(ruleName)).size === rules.length,
    "Expected a name of its own for each rule; give them one where they are by the same",
  ),
);

/**
 * Limits the requests and tokens that a client may use in a minute.
 *
 * 429 `rate_limited` with Retry-After for what is over; what is refused is taken from no limit. Requests are
 * counted before the body is read, those of a route or of certain models when it is known; tokens when the request is
 * admitted: a quarter of its bytes and the longest answer that it asks for, at most the limit, so that one that is estimated
 * higher waits for a whole window. At the end they become what the slot `usage` tells, which `sse` and `jsonUsage` write;
 * without it the estimate stays, and goes back where no upstream was asked or the answer is an error. The windows are
 * fixed and begin with a key's first request, so that twice the limit may pass around their edge. The `limits` of a
 * key (`requests`, `tokens`, `concurrent`) hold in place of the rule's own by client. Counts outlive reloads; in Redis
 * they are for all processes, except `concurrent`. For what an upstream can bear there is `maxConcurrency` of a target.
 *
 * @example
 * rateLimit({ rules: [{ requests: 60, tokens: 100_000 }, { by: "all", concurrent: 500 }], redis: env("REDIS_URL") });
 */
export const rateLimit: (options?: RateLimitOptions) => Plugin = definePlugin({
  name: "rate-limit",
  options: schema,
  multiple: true,
  setup(proxy, settings) {
    const clients = proxy.slot<Client>("client");
    const rules = settings.rules.map((each) => toRule(each, clients.get));
    const limiter = createLimiter(proxy, {
      ...settings,
      limits: rules.map((each) => toLimit(proxy, each)),
      store: openStore(proxy, settings),
    });
    return {
      request: (x) => limiter.enter(x, false),
      admit: (x) => limiter.enter(x, true),
      upstreamResponse: {
        // They read what the upstream says of its own limits.
        after: ["cool-down", "headroom"],
        handler: ({ node }, head) => dropShown(node.res, head),
      },
      end: (x, outcome) => limiter.end(x, outcome),
    };
  },
});

function toLimit(proxy: Setup, each: Rule): Limit {
  const meter = (kind: RateKind): Meter => ({
    rule: each.name,
    kind,
    per: each.per,
    windows: proxy.keep(`${each.name} ${kind}`, () => new Map<string, RateWindow>()),
  });
  return {
    rule: each,
    requests: meter("requests"),
    tokens: meter("tokens"),
    seats: proxy.keep(`${each.name} seats`, () => new Map<string, number>()),
  };
}

/** Where to count now: in memory until Redis is there, which is loaded only where it is used. */
function openStore(proxy: Setup, { redis, prefix, unavailable, now, maxKeys }: Settings): () => RateStore {
  const local = createLocalStore({ now, maxKeys });
  if (redis === undefined || proxy.mode !== "serve") return () => local;
  const meanwhile = unavailable === "local" ? local : undefined;
  let shared: SharedStore | undefined;
  proxy.onReady(async () => {
    const { openShared } = await import("./_rate-redis.ts");
    shared = await openShared({ url: redis, prefix, now, random: proxy.random, log: proxy.log, meanwhile });
  });
  proxy.onClose(() => shared?.close());
  return () => shared ?? local;
}
