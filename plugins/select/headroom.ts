import * as v from "valibot";
import {
  definePlugin,
  type Plugin,
  type Pool,
  type Selector,
  type Setup,
  type Slot,
  type Snapshot,
  type Target,
} from "../../core/index.ts";
import { clockSource } from "./_chance-and-time.ts";
import { createBest, type Rate } from "./_best.ts";
import { toDuration } from "./_duration.ts";
import { fillUnknown } from "./_neutral.ts";
import { checkNames, createQuotas, type Quota, type Quotas, type Spent } from "./_quotas.ts";
import { readLimits } from "./_rate-limits.ts";
import { describeRoom, meter, type Room, roomOf, roomWidth, take } from "./_room.ts";
import { createRows, createTable, type Rows, type Table } from "./_table.ts";
import { follow, toTokens, type Usage } from "./_told-tokens.ts";

export interface HeadroomOptions {
  /** What may be used, by target id or by the label `provider`, beside what upstreams tell. @default none */
  quotas?: Readonly<Record<string, Quota>>;
  /** Milliseconds since 1970. @default Date.now */
  now?: () => number;
}

const amount = "Expected a number above 0";
const positive = v.pipe(v.number(amount), v.finite(amount), v.gtValue(0, amount));

const quota = v.pipe(
  v.strictObject(
    {
      requests: v.optional(positive),
      tokens: v.optional(positive),
      window: positive,
    } satisfies Record<keyof Quota, unknown>,
    "Expected a quota such as { tokens: 2_000_000, window: 86_400_000 }",
  ),
  v.check(({ requests, tokens }) => (requests ?? tokens) !== undefined, "Expected requests, tokens or both"),
);

const entries = {
  quotas: v.optional(v.record(v.string(), quota), () => ({})),
  now: v.optional(clockSource, () => Date.now),
} satisfies Record<keyof HeadroomOptions, unknown>;

const schema: v.GenericSchema<HeadroomOptions, Required<HeadroomOptions>> = v.strictObject(entries);

/**
 * Picks the target with the most room under its rate limits and quotas.
 *
 * For accounts at model vendors that answer 429 when they are used up. The score of a meter is the part of its limit that
 * is left over the hours to its reset, so that what expires first is spent first; a target has that of its lowest meter,
 * and the highest is picked (the `quota` selector of Plexus). One that is past its reset is full, one that told nothing
 * counts as the median of those with room left, or 1, and those alike take turns. Nothing is refused: a target without
 * room is the last choice.
 *
 * Meters are read from every answer: `x-ratelimit-*-requests` and `-tokens` (OpenAI), `anthropic-ratelimit-*` (Anthropic),
 * `RateLimit` or `RateLimit-*` (draft-ietf-httpapi-ratelimit-headers), and `Retry-After` with a 429, until which there is no room.
 * Until its answer is there, a request counts as one and as the usual number of tokens. `quotas` are counted here, of this
 * process, in windows from 1970 on, and survive a reload of the config. Of the weights only 0 counts. Not for upstreams that tell no limits, such as
 * inference servers of your own: `leastConnections` or `latency` see how busy they are.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({ targets: [{ id: "openai", url: "https://api.openai.com" }, { id: "local", url: "http://127.0.0.1:8001" }] }),
 *     headroom({ quotas: { openai: { tokens: 2_000_000, window: 86_400_000 } } }),
 *   ],
 * });
 */
export const headroom: (options?: HeadroomOptions) => Plugin = definePlugin({
  name: "headroom",
  options: schema,
  setup(proxy, { quotas, now }) {
    const names = Object.keys(quotas);
    const discoveries = proxy.useAll("discovery");
    if (names.length > 0) {
      proxy.onLink(() => {
        for (const problem of checkNames(names, discoveries.value.values())) proxy.problem(problem);
      });
    }
    const account: Account = {
      rooms: createRooms(proxy),
      quotas: createQuotas(
        quotas,
        proxy.keep("quotas", () => new Map<string, Spent>()),
      ),
      usual: proxy.keep<Usual>("usual", () => ({ prompt: 0, completion: 0, total: 0 })),
      told: proxy.slot<Usage>("usage"),
      now,
    };
    proxy.provide("selector", "headroom", { name: "headroom", create: (pool) => createSelector(pool, account) });
    return {
      upstreamResponse({ route, target }, head) {
        const room = route && target && account.rooms.find(route.pool, target);
        if (room !== undefined) readLimits(head, now(), room);
      },
    };
  },
});

/** What the selectors of all routes share. */
interface Account {
  readonly rooms: Rooms;
  readonly quotas: Quotas;
  readonly usual: Usual;
  readonly told: Slot<Usage>;
  readonly now: () => number;
}

/** Tokens of a request, as a rule. */
interface Usual {
  prompt: number;
  completion: number;
  total: number;
}

interface Rooms {
  /** By target and model, over reloads. */
  of(pool: Pool): Table;
  /** For an answer; undefined if no route picks by room there. */
  find(pool: Pool, target: Target): Room | undefined;
}

function createRooms(proxy: Setup): Rooms {
  const pools = new Map<string, { readonly table: Table; readonly rows: Rows; pruned: Snapshot | undefined }>();
  return {
    of(pool) {
      const table = proxy.keep(`rooms ${pool.name}`, createTable);
      if (!pools.has(pool.name)) {
        pools.set(pool.name, { table, rows: createRows(table, roomWidth), pruned: undefined });
      }
      return table;
    },
    find({ name, snapshot }, target) {
      const entry = pools.get(name);
      if (entry === undefined) return undefined;
      const { table, rows } = entry;
      // Selectors are told of changes when they are asked to pick, and may not be: their routes may have no requests.
      if (entry.pruned !== snapshot) rows.forgetOthers((entry.pruned = snapshot).all);
      const row = rows.of(target);
      return table.numbers.subarray(row, row + roomWidth);
    },
  };
}

function createSelector(pool: Pool, { rooms, quotas, usual, told, now }: Account): Selector {
  const table = rooms.of(pool);
  const rows = createRows(table, roomWidth);
  const rate: Rate = (targets, _x, into) => {
    const at = now();
    const list = rows.align(targets);
    const { numbers } = table;
    for (let i = 0; i < list.length; i++) into[i] = roomOf(numbers, list[i]!, at);
    if (quotas.size > 0) quotas.narrow(targets, at, usual, into);
    fillUnknown(into, targets.length);
  };
  const describe = (target: Target, at: number): string => {
    const row = rows.of(target);
    const room = table.numbers.subarray(row, row + roomWidth);
    const meters = [...describeRoom(room, at, toDuration), ...quotas.describe(target, at, usual.total, toDuration)];
    return meters.length > 0 ? meters.join(", ") : "has told no limits, counts as the median";
  };
  return {
    pick: createBest(rate),
    score: rate,
    update: ({ all }) => rows.forgetOthers(all),
    attemptStart(target) {
      const at = now();
      const row = rows.of(target);
      takeUsual(table.numbers, row, usual, at);
      quotas.start(target, at);
    },
    attemptEnd(target, _outcome, x) {
      const usage = told.get(x);
      quotas.end(target, toTokens(usage?.totalTokens), now());
      if (usage !== undefined) learn(usual, usage);
    },
    explain(targets, x) {
      const scores = new Float64Array(targets.length);
      rate(targets, x, scores);
      const at = now();
      const weightless = targets.every(({ weight }) => !(weight > 0));
      return targets.map((target, i) => {
        const { id, weight } = target;
        if (!weightless && !(weight > 0)) return { id, score: 0, note: "weight 0: passed over" };
        return { id, score: scores[i]!, note: describe(target, at) };
      });
    },
  };
}

function takeUsual(numbers: Float64Array, row: number, { prompt, completion, total }: Usual, now: number): void {
  take(numbers, row + meter.requests, 1, now);
  take(numbers, row + meter.rate, 1, now);
  take(numbers, row + meter.tokens, total, now);
  take(numbers, row + meter.inputTokens, prompt, now);
  take(numbers, row + meter.outputTokens, completion, now);
}

function learn(usual: Usual, usage: Usage): void {
  const total = toTokens(usage.totalTokens);
  if (total === 0) return;
  usual.total = follow(usual.total, total);
  usual.prompt = follow(usual.prompt, toTokens(usage.promptTokens));
  usual.completion = follow(usual.completion, toTokens(usage.completionTokens));
}
