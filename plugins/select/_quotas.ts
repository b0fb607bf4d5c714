import type { KnownTarget, OptionProblem, Target } from "../../core/index.ts";
import { ofList } from "./_of-list.ts";
import { perHour } from "./_room.ts";

/** What an account may use between two multiples of its window since 1970, UTC. */
export interface Quota {
  /** @default no limit */
  readonly requests?: number;
  /** @default no limit */
  readonly tokens?: number;
  /** Milliseconds; 86400000 is a day, which begins at midnight UTC. */
  readonly window: number;
}

/** What was used of a quota; plain data, so that core can copy it. */
export interface Spent {
  /** Number of the window, since 1970. */
  period: number;
  requests: number;
  tokens: number;
  /** Attempts under way, whose tokens are yet to be told. */
  open: number;
}

export interface Quotas {
  readonly size: number;
  start(target: Target, now: number): void;
  end(target: Target, tokens: number, now: number): void;
  /** Of each target of the list the least room of its quotas, if that is less than what stands there. */
  narrow(targets: readonly Target[], now: number, usual: { readonly total: number }, into: Float64Array): void;
  describe(target: Target, now: number, usual: number, toDuration: (ms: number) => string): string[];
}

/** A part and milliseconds: handed over in an array, for two numbers that a function returns are an object. */
const rest: Float64Array = new Float64Array(2);

interface Account {
  readonly quota: Quota;
  readonly spent: Spent;
}

/** Makes what counts against quotas, by target id or provider label. */
export function createQuotas(given: Readonly<Record<string, Quota>>, kept: Map<string, Spent>): Quotas {
  const accounts = new Map(
    Object.entries(given).map(([name, quota]) => {
      let spent = kept.get(name);
      if (spent === undefined) kept.set(name, (spent = { period: 0, requests: 0, tokens: 0, open: 0 }));
      return [name, { quota, spent }];
    }),
  );

  function of({ id, labels: { provider } }: Target): readonly Account[] {
    const names = provider === undefined || provider === id ? [id] : [id, provider];
    return names.flatMap((name) => accounts.get(name) ?? []);
  }
  const ofTargets = ofList((targets) => targets.map(of));

  return {
    size: accounts.size,
    start(target, now) {
      for (const { quota, spent } of of(target)) {
        turn(quota, spent, now);
        spent.requests += 1;
        spent.open += 1;
      }
    },
    end(target, tokens, now) {
      for (const { quota, spent } of of(target)) {
        turn(quota, spent, now);
        spent.tokens += tokens;
        spent.open = Math.max(0, spent.open - 1);
      }
    },
    narrow(targets, now, usual, into) {
      const lists = ofTargets(targets);
      for (let i = 0; i < lists.length; i++) {
        const list = lists[i]!;
        for (let j = 0; j < list.length; j++) {
          measureRest(list[j]!, now, usual);
          if (rest[0] === Infinity) continue;
          const room = perHour(rest[0]!, rest[1]!);
          if (room < into[i]!) into[i] = room;
        }
      }
    },
    describe: (target, now, usual, toDuration) =>
      of(target).flatMap((account) => describeAccount(account, now, usual, toDuration)),
  };
}

function describeAccount(
  { quota, spent }: Account,
  now: number,
  usual: number,
  toDuration: (ms: number) => string,
): string[] {
  const { requests, tokens } = used(quota, spent, now, usual);
  const left = `of its quota used, ${toDuration(leftOf(quota, now))} to go`;
  return [
    ...(quota.requests === undefined ? [] : [`${requests} of ${quota.requests} requests ${left}`]),
    ...(quota.tokens === undefined ? [] : [`${Math.round(tokens)} of ${quota.tokens} tokens ${left}`]),
  ];
}

/** What is wrong with the names of quotas, where the config tells all targets there will ever be. */
export function checkNames(
  names: readonly string[],
  discoveries: Iterable<{ readonly known?: readonly KnownTarget[] }>,
): readonly OptionProblem[] {
  const known = new Set<string>();
  let some = false;
  for (const discovery of discoveries) {
    if (discovery.known === undefined) return [];
    some = true;
    for (const { id, labels } of discovery.known) {
      if (id === undefined) return [];
      known.add(id);
      if (labels?.["provider"] !== undefined) known.add(labels["provider"]);
    }
  }
  if (!some) return [];
  return names
    .filter((name) => !known.has(name))
    .map((name) => ({
      path: `quotas.${name}`,
      message: `there is no target with the id or the label provider "${name}"`,
      fix: `known: ${[...known].slice(0, 20).join(", ")}`,
    }));
}

function turn({ window }: Quota, spent: Spent, now: number): void {
  const period = Math.floor(now / window);
  if (period === spent.period) return;
  spent.period = period;
  spent.requests = 0;
  spent.tokens = 0;
}

function used(quota: Quota, spent: Spent, now: number, usual: number): { requests: number; tokens: number } {
  const before = spent.period !== Math.floor(now / quota.window);
  return { requests: before ? 0 : spent.requests, tokens: (before ? 0 : spent.tokens) + spent.open * usual };
}

/** Leaves in `rest` what of its requests or its tokens is less; Infinity when neither is limited. */
function measureRest({ quota, spent }: Account, now: number, usual: { readonly total: number }): void {
  const { requests, tokens, window } = quota;
  const before = spent.period !== Math.floor(now / window);
  rest[0] = Infinity;
  rest[1] = leftOf(quota, now);
  if (requests !== undefined) rest[0] = 1 - (before ? 0 : spent.requests) / requests;
  if (tokens !== undefined) {
    const part = 1 - ((before ? 0 : spent.tokens) + spent.open * usual.total) / tokens;
    if (part < rest[0]) rest[0] = part;
  }
  if (rest[0] < 0) rest[0] = 0;
}

function leftOf({ window }: Quota, now: number): number {
  return (Math.floor(now / window) + 1) * window - now;
}
