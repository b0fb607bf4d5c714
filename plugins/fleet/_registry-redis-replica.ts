import { alarm, createDeadlines, type Due } from "./_registry-deadlines.ts";
import type { Restored, Shown } from "./_registry-redis-commands.ts";
import { isSame, parseHash, type Stored } from "./_registry-redis-record.ts";
import { forgottenAt, type Service, type StoreEvents } from "./_registry-store.ts";

/** What this process knows of the services in Redis, as of the last answer about each. */
export interface Replica {
  readonly size: number;
  all(): Iterable<Service>;
  get(name: string): Service | undefined;
  names(): Iterable<string>;
  /** The version of what is known of it, for Redis to leave out what is; empty: nothing is known. */
  version(name: string): string;
  /** Takes in what Redis answered. */
  put(name: string, shown: Shown): Service;
  /** Reads what Redis answered, and leaves it at that. */
  view(name: string, shown: Shown): Service;
  /** Redis has it no longer. */
  drop(name: string, deregistered: boolean): void;
  /** What of it an emptied Redis gets back: what was alive with a lease of grace, as its heartbeats had nowhere to go. */
  restorable(): Restored[];
  /** Believes nothing of it to be up to date. */
  doubt(): void;
  /** Asks no more until the next `put`. */
  rest(): void;
}

export interface ReplicaOptions {
  readonly now: () => number;
  events(): StoreEvents | undefined;
  /** By what is known here its lease has lapsed, or it is forgotten: only Redis knows whether there were heartbeats. */
  ask(name: string): void;
}

interface Held extends Due {
  readonly service: Service;
  readonly stored: Stored;
  version: string;
  /** Time of the last heartbeat, of Redis. */
  readonly beat: number;
  /** When the lease ends by what is known here. */
  readonly until: number;
  readonly lapsed: boolean;
}

/** Milliseconds that Redis gets to come to the same conclusion. */
const patience = 20;

export function createReplica({ now, events, ask }: ReplicaOptions): Replica {
  const held = new Map<string, Held>();
  const deadlines = createDeadlines<Held>({ now, alarm, due });

  function due(one: Held): number {
    const at = next(one);
    if (at > now()) return at;
    ask(one.service.name);
    return Infinity;
  }

  function parse(name: string, [age, beat, version, hash]: Shown): Held {
    const stored = hash === undefined ? held.get(name)?.stored : parseHash(name, hash);
    if (stored === undefined) throw new TypeError(`Redis left out "${name}", which is not known here`);
    const until = now() + stored.lease - age;
    const lapsed = age >= stored.lease;
    const service = toService(stored, { age, until, lapsed, now });
    return { service, stored, version, beat, until, lapsed, at: 0, place: -1 };
  }

  function put(name: string, shown: Shown): Service {
    const old = held.get(name);
    const read = parse(name, shown);
    // What is as it was stays the same object, with the same times.
    const one = old !== undefined && isSameAs(old, read) && old.until > now() ? old : read;
    if (old !== undefined) deadlines.remove(old);
    held.set(name, one);
    deadlines.set(one, Math.max(next(one), now() + patience));
    if (old === undefined || isNews(old, one)) events()?.upserted(one.service);
    return one.service;
  }

  return {
    get size() {
      return held.size;
    },
    *all() {
      for (const { service } of held.values()) yield service;
    },
    get: (name) => held.get(name)?.service,
    names: () => held.keys(),
    version: (name) => held.get(name)?.version ?? "",
    put,
    view: (name, shown) => parse(name, shown).service,
    drop(name, deregistered) {
      const old = held.get(name);
      if (old === undefined) return;
      held.delete(name);
      deadlines.remove(old);
      // By what is known here it is never forgotten later than by Redis, so what is gone earlier did not expire.
      const expired = !deregistered && forgottenAt({ until: old.until, lease: old.stored.lease }) <= now();
      events()?.removed(name, expired ? "expired" : "deregistered");
    },
    restorable() {
      const alive = [...held.values()].filter(({ until, stored: { lease }, lapsed }) => {
        return !lapsed || forgottenAt({ until, lease }) > now();
      });
      return alive.map(({ stored, until, lapsed }) => ({ stored, age: lapsed ? now() - until + stored.lease : 0 }));
    },
    doubt() {
      for (const one of held.values()) one.version = "";
    },
    rest: () => deadlines.close(),
  };
}

function next({ lapsed, until, stored: { lease } }: Held): number {
  return lapsed ? forgottenAt({ until, lease }) : until;
}

function isSameAs(old: Held, { version, beat, lapsed }: Held): boolean {
  return old.version === version && old.beat === beat && old.lapsed === lapsed;
}

/** What was restored has a new version, and may be as it was. */
function isNews(old: Held, { version, stored, lapsed }: Held): boolean {
  return old.lapsed !== lapsed || (old.version !== version && !isSame(old.stored, stored));
}

interface Times {
  readonly age: number;
  readonly until: number;
  readonly lapsed: boolean;
  readonly now: () => number;
}

/** A lease holds until Redis has said that it lapsed: another process may have got a heartbeat that is not known here. */
function toService(stored: Stored, { age, until, lapsed, now }: Times): Service {
  const service = { ...stored, lastHeartbeat: Date.now() - age, until };
  if (lapsed) return service;
  return Object.defineProperty(service, "until", {
    enumerable: true,
    configurable: true,
    get: () => Math.max(until, now() + 1),
  });
}
