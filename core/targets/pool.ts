import type { Pool, Snapshot, Target, TargetSpec, Verdict } from "../contract/target.ts";
import type { DiscoverySink } from "../contract/services.ts";
import type { Ledger, LoadListener } from "./ledger.ts";
import { PoolTarget, toTargetFields } from "./target.ts";

interface Member {
  /** The spec as text: the same spec again changes nothing. */
  readonly print: string;
  readonly target: PoolTarget;
}

export interface PoolEvents {
  /** A target became available or stopped being so. */
  health(target: Target, up: boolean, reporter: string, reason: string): void;
  /** A listener of the pool threw; the others hear of the change all the same. */
  thrown?(pool: string, error: unknown): void;
  /** A spec that cannot be a target, or a source that failed; undefined: the source is well again. */
  source(pool: string, source: string, error: unknown): void;
}

const none: readonly PoolTarget[] = Object.freeze([]);
const empty: Snapshot = Object.freeze({ version: 0, all: none, available: none, disabled: none });

/** The targets of one generation under one name: discovery writes, one frozen snapshot per tick is read. */
export class TargetPool implements Pool {
  readonly name: string;
  snapshot: Snapshot = empty;
  #ledger: Ledger;
  #events: PoolEvents;
  #sources: Map<string, Map<string, Member>> = new Map();
  #listeners: ((snapshot: Snapshot) => void)[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #unsubscribe: (() => void)[];
  #closed = false;
  #lastReason: Map<string, Verdict> = new Map();

  constructor(name: string, ledger: Ledger, events: PoolEvents) {
    this.name = name;
    this.#ledger = ledger;
    this.#events = events;
    this.#unsubscribe = [ledger.onVerdict(() => this.#schedule())];
  }

  onChange(listener: (snapshot: Snapshot) => void): void {
    this.#listeners.push(listener);
  }

  onLoad(listener: LoadListener): void {
    if (!this.#closed) this.#unsubscribe.push(this.#ledger.onLoad(listener));
  }

  verdicts(id: string): readonly Verdict[] {
    return this.#ledger.verdicts(id);
  }

  /** The place of one discovery source; sources do not see each other's targets. */
  sink(source: string): DiscoverySink {
    const members = new Map<string, Member>();
    this.#sources.set(source, members);
    /** A spec that cannot be a target does not take the others down. */
    const put = (specs: readonly TargetSpec[]): Set<string> => {
      const kept = new Set<string>();
      let fault: unknown;
      for (const spec of specs) {
        try {
          kept.add(this.#put(members, spec));
        } catch (error) {
          fault ??= error;
        }
      }
      this.#events.source(this.name, source, fault);
      this.#schedule();
      return kept;
    };
    return {
      replace: (specs) => {
        if (this.#closed) return;
        const kept = put(specs);
        for (const id of members.keys()) if (!kept.has(id)) this.#drop(members, id);
      },
      upsert: (spec) => {
        if (!this.#closed) put([spec]);
      },
      remove: (id) => {
        if (this.#closed) return;
        this.#drop(members, id);
        this.#schedule();
      },
      fail: (error) => {
        if (!this.#closed) this.#events.source(this.name, source, error);
      },
    };
  }

  /** Publishes what changed now rather than at the end of the tick. */
  flush(): void {
    if (this.#scheduled === undefined) return;
    clearImmediate(this.#scheduled);
    this.#publish();
  }

  close(): void {
    this.#closed = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    for (const members of this.#sources.values()) for (const id of members.keys()) this.#drop(members, id);
  }

  #put(members: Map<string, Member>, spec: TargetSpec): string {
    const id = spec.id ?? spec.url;
    const old = members.get(id);
    const print = JSON.stringify(spec);
    // Before its files are read again, which may be gone for a moment.
    if (old?.print === print) return id;
    const fields = toTargetFields(spec);
    const live = this.#ledger.hold(fields.id);
    const connection = this.#ledger.connections.hold(fields.origin, fields);
    if (old !== undefined) this.#release(old.target);
    members.set(fields.id, { print, target: new PoolTarget({ ...fields, live, connection }) });
    return fields.id;
  }

  #drop(members: Map<string, Member>, id: string): void {
    const member = members.get(id);
    if (member === undefined) return;
    members.delete(id);
    this.#release(member.target);
  }

  #release(target: PoolTarget): void {
    this.#ledger.connections.release(target.connection);
    this.#ledger.release(target.live);
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => this.#publish());
  }

  #publish(): void {
    this.#scheduled = undefined;
    const all = new Map<string, PoolTarget>();
    for (const members of this.#sources.values()) {
      // Two sources may name one target; the first in the config speaks for it.
      for (const [id, { target }] of members) if (!all.has(id)) all.set(id, target);
    }
    const known = [...all.values()];
    const list = known.filter((target) => target.enabled);
    const available = list.filter((target) => target.live.verdicts.size === 0);
    const disabled = list.length === known.length ? none : known.filter((target) => !target.enabled);
    const { snapshot } = this;
    if (!isSame(list, snapshot.all) || !isSame(available, snapshot.available) || !isSame(disabled, snapshot.disabled)) {
      this.snapshot = Object.freeze({
        version: snapshot.version + 1,
        all: Object.freeze(list),
        available: Object.freeze(available),
        disabled: Object.freeze(disabled),
      });
      for (const listener of this.#listeners) this.#tell(listener);
    }
    this.#tellHealth(list);
  }

  #tell(listener: (snapshot: Snapshot) => void): void {
    try {
      listener(this.snapshot);
    } catch (error) {
      this.#events.thrown?.(this.name, error);
    }
  }

  #tellHealth(list: readonly PoolTarget[]): void {
    const ids = new Set<string>();
    for (const target of list) {
      ids.add(target.id);
      const verdict = target.live.verdicts.values().next().value;
      const before = this.#lastReason.get(target.id);
      if (verdict !== undefined) this.#lastReason.set(target.id, verdict);
      else this.#lastReason.delete(target.id);
      if ((verdict === undefined) === (before === undefined)) continue;
      const told = verdict ?? before;
      this.#events.health(target, verdict === undefined, told?.reporter ?? "", told?.reason ?? "");
    }
    for (const id of this.#lastReason.keys()) if (!ids.has(id)) this.#lastReason.delete(id);
  }
}

function isSame(a: readonly Target[], b: readonly Target[]): boolean {
  return a.length === b.length && a.every((target, i) => target === b[i]);
}
