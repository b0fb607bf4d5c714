/** What is counted in windows of time. */
export type RateKind = "requests" | "tokens";

/** What one key has used, and when that is forgotten: the window begins with its first use. */
export interface RateWindow {
  used: number;
  /** By the clock of the plugin. */
  readonly ends: number;
}

/** One limit of one rule, for all its keys. */
export interface Meter {
  /** Of the rule. */
  readonly rule: string;
  readonly kind: RateKind;
  /** Milliseconds of a window. */
  readonly per: number;
  /** In the order in which they began. Plain data, so that what is only tried out can work on a copy. */
  readonly windows: Map<string, RateWindow>;
}

export interface Claim {
  readonly meter: Meter;
  readonly key: string;
  readonly amount: number;
  readonly most: number;
}

export interface Taken {
  readonly claim: Claim;
  /** False: nothing was taken. */
  readonly fits: boolean;
  readonly used: number;
  readonly ends: number;
  /** Where it was counted, and has to be corrected. */
  readonly store: RateStore;
}

/** Where uses are counted. */
export interface RateStore {
  /** Takes all of it or nothing; never rejects. Undefined: it cannot be counted now. */
  take(claim: Claim): Taken | undefined | Promise<Taken | undefined>;
  /** Adds to what was taken, or gives back: never below 0, and nothing to a window that began later. */
  correct(taken: Taken, by: number): void;
}

export interface LocalStore extends RateStore {
  take(claim: Claim): Taken;
}

export interface LocalStoreOptions {
  readonly now: () => number;
  readonly maxKeys: number;
}

/**
 * Counts in this process, without a promise or a timer. RateLimiterMemory of rate-limiter-flexible has one of each (four times
 * as slow and as large), no bound on its keys, and gives what is returned late to the next window.
 */
export function createLocalStore({ now, maxKeys }: LocalStoreOptions): LocalStore {
  function windowOf({ windows, per }: Meter, key: string): RateWindow {
    const time = now();
    const found = windows.get(key);
    if (found !== undefined && time < found.ends) return found;
    windows.delete(key);
    forget(windows, time, maxKeys);
    const begun = { used: 0, ends: time + per };
    windows.set(key, begun);
    return begun;
  }

  const store: LocalStore = {
    take(claim) {
      const window = windowOf(claim.meter, claim.key);
      const fits = window.used + claim.amount <= claim.most;
      if (fits) window.used += claim.amount;
      return { claim, fits, used: window.used, ends: window.ends, store };
    },
    correct({ claim: { meter, key }, ends }, by) {
      if (by > 0) windowOf(meter, key).used += by;
      const window = meter.windows.get(key);
      if (by < 0 && window?.ends === ends) window.used = Math.max(0, window.used + by);
    },
  };
  return store;
}

/** Each new window clears away up to two that are over; where there are too many, the one that began first. */
function forget(windows: Map<string, RateWindow>, time: number, maxKeys: number): void {
  let seen = 0;
  for (const [key, { ends }] of windows) {
    if (time < ends && windows.size < maxKeys) return;
    windows.delete(key);
    if (++seen === 2) return;
  }
}
