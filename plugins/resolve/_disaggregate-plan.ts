import {
  type Awaitable,
  type Exchange,
  isProxyError,
  type Outcome,
  type Reply,
  type Route,
  type Selector,
  type SelectorService,
  type Setup,
  type Slot,
  type Target,
} from "../../core/index.ts";
import type { Asked } from "./_disaggregate-body.ts";
import type { Partition, Protocol, Workers } from "./_disaggregate-workers.ts";

/** What is to become of one request. */
export interface Plan {
  readonly protocol: Protocol;
  /** The pair of target lists that it goes to. */
  readonly pair: string;
  readonly asked: Asked;
  /** `one`: by a target that does both; `brought`: the client did the first, and is trusted. */
  phases: "two" | "one" | "brought";
  /** The same for all workers. */
  requestId: string | undefined;
  /** Ids of prefill targets that failed it. */
  readonly failed: string[];
  over: boolean;
  /** NIXL: in hand, and not yet seen by a decode target. */
  handle: Uint8Array | undefined;
  /** NIXL: a decode target has seen the last one, which cannot be used again. */
  spent: boolean;
  /** Id of the decode target of the attempt under way. */
  decode: string | undefined;
  /** SGLang: the prefill request that runs beside the decode attempt. */
  beside: Beside | undefined;
  /** Of the prefill target, where its log probabilities are needed. */
  answer: Uint8Array | undefined;
  /** What a prefill target said to a mistake of the client. */
  refusal: Reply | undefined;
}

export interface Beside {
  readonly abort: () => void;
  /** Its answer is still to come. */
  pending: boolean;
}

/** How one protocol hands over what the first phase computed. */
export interface Handover {
  /** Before a decode target is picked, of a request of two phases. */
  admit(x: Exchange, plan: Plan): Awaitable<void>;
  /** Makes the second phase of the attempt's request. */
  decode(x: Exchange, plan: Plan): Awaitable<void>;
  attemptEnd(plan: Plan, target: Target, outcome: Outcome): void;
  end(x: Exchange, plan: Plan): void;
}

export interface Tools {
  readonly proxy: Setup;
  readonly workers: Workers;
  readonly plans: Slot<Plan>;
  /** Prefill requests per decode attempt (NIXL) or in all (SGLang). */
  readonly prefillAttempts: number;
  readonly prefillers: Prefillers;
}

export function createPlan(protocol: Protocol, pair: string, asked: Asked, phases: Plan["phases"]): Plan {
  return {
    protocol,
    pair,
    asked,
    phases,
    requestId: undefined,
    failed: [],
    over: false,
    handle: undefined,
    spent: false,
    decode: undefined,
    beside: undefined,
    answer: undefined,
    refusal: undefined,
  };
}

const none: readonly Target[] = Object.freeze([]);

/** The first list with a target that was not tried; the lists are kept by the partition. */
export function candidatesOf(plan: Plan, partition: Partition, tried: readonly Target[]): readonly Target[] {
  const lists = listsOf(plan, partition).filter((list) => list.length > 0);
  if (tried.length === 0) return lists[0] ?? none;
  const isFresh = ({ id }: Target): boolean => !tried.some((target) => target.id === id);
  return lists.find((list) => list.some(isFresh)) ?? lists[0] ?? none;
}

function listsOf({ phases, pair }: Plan, { pairs, unified, alone, decode }: Partition): readonly (readonly Target[])[] {
  if (phases === "brought") return [decode, unified];
  const { decode: second = none, prefill = none } = pairs.get(pair) ?? {};
  return phases === "two" && prefill.length > 0 ? [second, unified, alone] : [unified, alone];
}

export interface Prefillers {
  /** Tells the selector of the attempt. */
  of(route: Route): Selector;
  /** Those that did not fail the request. */
  left(x: Exchange, plan: Plan): readonly Target[];
  /** Undefined when none is left. */
  pick(x: Exchange, plan: Plan): Target | undefined;
}

/** Picks prefill targets by selectors that see no others. */
export function createPrefillers(service: () => SelectorService, workers: Workers): Prefillers {
  const known = new WeakMap<Route, { readonly selector: Selector; version: number }>();
  const of = (route: Route): Selector => {
    const { pool, name } = route;
    let entry = known.get(route);
    if (entry === undefined) known.set(route, (entry = { selector: service().create(pool, name), version: -1 }));
    if (entry.version !== pool.snapshot.version) {
      entry.version = pool.snapshot.version;
      entry.selector.update?.(pool.snapshot);
    }
    return entry.selector;
  };
  const left = (x: Exchange, { pair, failed }: Plan): readonly Target[] => {
    const all = workers.partition(x.route!.candidates())?.pairs.get(pair)?.prefill ?? none;
    return failed.length === 0 ? all : Object.freeze(all.filter(({ id }) => !failed.includes(id)));
  };
  return {
    of,
    left,
    pick(x, plan) {
      const targets = left(x, plan);
      return targets.length === 0 ? undefined : of(x.route!).pick(targets, x);
    },
  };
}

/** Refusals that say something of the server, and not of the request. */
export function isMistake(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

const unreachable: ReadonlySet<string> = new Set(["connect_failed", "connect_timeout", "dns_error", "tls_error"]);

/** Nothing was sent. */
export function isUnreachable(error: unknown): boolean {
  return isProxyError(error) && unreachable.has(error.code);
}
