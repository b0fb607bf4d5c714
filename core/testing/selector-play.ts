import assert from "node:assert/strict";
import type { Exchange, Outcome, OutcomeKind } from "../contract/exchange.ts";
import type { Selector } from "../contract/services.ts";
import type { Target, TargetStats } from "../contract/target.ts";
import type { ProxyState } from "../proxy-state.ts";
import { fakeExchange, fakeOutcome, type FakePool } from "./fakes.ts";

/** Slots by name, and what is in them. */
export type SlotValues = Readonly<Record<string, unknown>>;

/** An attempt at a target that does well, or badly. */
export interface Sample {
  readonly outcome: Partial<Outcome>;
  readonly exchange?: Partial<Exchange>;
  /** By name, such as `"first-token"` and `"usage"`: what a relay has put there by the end of the attempt. */
  readonly slots?: SlotValues;
}

/** What a law needs to make requests that its selector looks at. */
export interface Requests {
  /** One that carries this key, and by which a selector tells its requests apart. */
  readonly exchange?: ((key: string) => Partial<Exchange>) | undefined;
  /** One without any. */
  readonly keyless?: (() => Partial<Exchange>) | undefined;
  /** An attempt as measured; "fast" is what the selector prefers, and at least five times as good as "slow". */
  readonly sample?: ((speed: "fast" | "slow") => Sample) | undefined;
  /** Moves the clock of the selector. */
  readonly wait?: ((milliseconds: number) => void) | undefined;
}

/** Makes the selector of a new proxy for a pool of these targets; with the state of an earlier one, after a reload. */
export type Fresh = (targets?: readonly Target[], state?: ProxyState) => Promise<Play>;

/** A selector and its pool, and attempts as core makes them. */
export interface Play {
  readonly selector: Selector;
  readonly pool: FakePool;
  /** One pick; fails when it is not one of the list. */
  pick<T extends Target>(targets: readonly T[], x?: Exchange): T;
  /** Attempts one after the other, each ended well before the next begins. */
  picks<T extends Target>(targets: readonly T[], count: number, exchange?: () => Exchange): T[];
  /** Attempts that begin and do not end while it looks on; how many each target got. The counters are set back after. */
  hold<T extends Target>(targets: readonly T[], count: number, exchange?: () => Exchange): Map<T, number>;
  begin(target: Target, x: Exchange): void;
  end(target: Target, x: Exchange, outcome?: Outcome): void;
  /** Another route's attempts. */
  load(target: Target, inflight: number): void;
  /** Publishes the next snapshot and tells the selector, as core does before the next pick. */
  change(all: readonly Target[], available?: readonly Target[]): readonly Target[];
  /** Sets slots of the exchange. */
  set(x: Exchange, slots: SlotValues): void;
}

/** Whether a case ended because the selector picked nothing. */
export function isDeclined(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith(declined);
}

const declined = "picked nothing from";

/** How an attempt can end that says nothing good of its target. */
export const faults: readonly Fault[] = ["connect", "reset", "timeout", "stalled", "stream-error", "client-abort"];

export type Fault = "connect" | "reset" | "timeout" | "stalled" | "stream-error" | "client-abort";

const upstreamFaults: ReadonlySet<OutcomeKind> = new Set(faults.filter((kind) => kind !== "client-abort"));

export function createPlay(selector: Selector, pool: FakePool, set: Play["set"]): Play {
  const play: Play = {
    selector,
    pool,
    set,
    pick(targets, x = fakeExchange()) {
      const picked = selector.pick(targets, x);
      assert.ok(picked, `${declined} ${targets.length} targets`);
      assert.ok((targets as readonly Target[]).includes(picked), `picked ${picked.id}, which is no target of the list`);
      return picked as (typeof targets)[number];
    },
    picks(targets, count, exchange = fakeExchange) {
      return Array.from({ length: count }, () => {
        const x = exchange();
        const picked = play.pick(targets, x);
        play.begin(picked, x);
        play.end(picked, x);
        return picked;
      });
    },
    hold(targets, count, exchange = fakeExchange) {
      const held = new Map(targets.map((target) => [target, 0]));
      for (let i = 0; i < count; i++) {
        const x = exchange();
        const picked = play.pick(targets, x);
        play.begin(picked, x);
        held.set(picked, (held.get(picked) ?? 0) + 1);
      }
      for (const [target, times] of held) play.load(target, target.live.inflight - times);
      return held;
    },
    begin(target, x) {
      countersOf(target).requests += 1;
      play.load(target, target.live.inflight + 1);
      selector.attemptStart?.(target, x);
    },
    end(target, x, outcome = fakeOutcome()) {
      const live = countersOf(target);
      if (outcome.ttfb > 0) live.ttfb += live.ttfb === 0 ? outcome.ttfb : (outcome.ttfb - live.ttfb) / 8;
      play.load(target, live.inflight - 1);
      if (upstreamFaults.has(outcome.kind)) {
        live.failures += 1;
        live.lastFailure = Date.now();
      }
      selector.attemptEnd?.(target, outcome, x);
    },
    load(target, inflight) {
      countersOf(target).inflight = inflight;
      pool.load(target);
    },
    change(all, available = all) {
      pool.change(all, available);
      selector.update?.(pool.snapshot);
      return pool.snapshot.available;
    },
  };
  return play;
}

/** Fakes and their views have counters that can be set. */
function countersOf({ live }: Target): TargetStats {
  return live;
}

/** A list without some of its targets, as core makes it for a retry: for one pick. */
export function without<T extends Target>(targets: readonly T[], ...gone: readonly Target[]): readonly T[] {
  return Object.freeze(targets.filter((target) => !gone.includes(target)));
}

/** What tells targets of one list apart: two faces of one target have one id. */
export function faceOf({ id, model }: Target): string {
  return model === undefined ? id : `${id} as ${model}`;
}

export function faces(targets: readonly Target[]): string[] {
  return targets.map(faceOf);
}
