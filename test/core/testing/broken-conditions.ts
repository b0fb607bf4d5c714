import type { Condition, Setup } from "plugboard";

/** What a condition looks at, and a test turns. */
export interface Switch {
  on: boolean;
  readonly listeners: Set<() => void>;
}

export function subscribe({ listeners }: Switch, changed: () => void, signal?: AbortSignal): void {
  // Its own, so that the same function can be there twice.
  const listener = (): void => changed();
  listeners.add(listener);
  signal?.addEventListener("abort", () => listeners.delete(listener));
}

/** Of all instances, which they must not share. */
export const shared = { closed: false };

type Holds = () => boolean;
type OnChange = (changed: () => void) => void;

export function throws(): never {
  throw new Error("no answer");
}

/** As it is when it has started, and `before` until then. */
export function started(proxy: Setup, right: Condition, before: Holds): Holds {
  let ready = false;
  proxy.onReady(() => void (ready = true));
  return () => (ready ? right.holds() : before());
}

/** What it was at the start. */
export function once(proxy: Setup, right: Condition): Holds {
  let known = false;
  proxy.onReady(() => void (known = right.holds()));
  return () => known;
}

/** The opposite, until the first change. */
export function late(own: Switch, { signal }: Setup): Holds {
  let changed = false;
  subscribe(own, () => (changed = true), signal);
  return () => own.on === changed;
}

export function latched(own: Switch): Holds {
  let held = false;
  return () => (held ||= own.on);
}

/** Holds no longer when it was asked often. */
export function worn(own: Switch): Holds {
  let asked = 0;
  return () => own.on && asked++ < 50;
}

/** Knows of no change that was before it. */
export function forgetful(own: Switch, { signal }: Setup): Holds {
  let known = false;
  subscribe(own, () => (known = own.on), signal);
  return () => known;
}

export function single(own: Switch, signal: AbortSignal): OnChange {
  let last: (() => void) | undefined;
  subscribe(own, () => last?.(), signal);
  return (changed) => void (last = changed);
}

export function first(own: Switch, signal: AbortSignal): OnChange {
  return (changed) => {
    let told = false;
    subscribe(own, () => void (told || ((told = true), changed())), signal);
  };
}

export function rising(own: Switch, signal: AbortSignal): OnChange {
  return (changed) => subscribe(own, () => void (own.on && changed()), signal);
}

export function together(own: Switch, proxy: Setup): Holds {
  proxy.onClose(() => void (shared.closed = true));
  return () => own.on && !shared.closed;
}
