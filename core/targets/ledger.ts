import type { TargetStats, Verdict } from "../contract/target.ts";
import { type LongTimer, longTimer } from "../long-timer.ts";
import { Connections } from "./connections.ts";

/** What core remembers of a target across generations. */
export class LedgerEntry implements TargetStats {
  inflight = 0;
  requests = 0;
  failures = 0;
  ttfb = 0;
  lastFailure = 0;
  readonly id: string;
  /** By reporter. */
  readonly verdicts: Map<string, Verdict> = new Map();
  /** The least of what reporters say it can take at once. */
  most: number = Infinity;
  /** By reporter; undefined until one has said something. */
  limits: Map<string, number> | undefined = undefined;
  /** Pools, over all generations, that hold the target. */
  holders = 0;

  constructor(id: string) {
    this.id = id;
  }
}

export type LoadListener = (live: Readonly<TargetStats>) => void;

/** All targets of one proxy by id. A target that two pools hold is one target. */
export class Ledger {
  readonly connections: Connections = new Connections();
  #entries: Map<string, LedgerEntry> = new Map();
  #timers: Map<Verdict, LongTimer> = new Map();
  #listeners: Set<() => void> = new Set();
  /** Empty unless a selector keeps an order by load, so that counting costs nothing more. */
  #loadListeners: readonly LoadListener[] = [];

  hold(id: string): LedgerEntry {
    let entry = this.#entries.get(id);
    if (entry === undefined) this.#entries.set(id, (entry = new LedgerEntry(id)));
    entry.holders += 1;
    return entry;
  }

  release(entry: LedgerEntry): void {
    entry.holders -= 1;
    this.forget(entry);
  }

  /** Drops an entry that nobody holds and nothing uses; one with attempts under way keeps its counters. */
  forget(entry: LedgerEntry): void {
    if (entry.holders > 0 || entry.inflight > 0) return;
    for (const reporter of entry.verdicts.keys()) this.#clear(entry, reporter);
    if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
  }

  /** An attempt to the target begins. */
  started(entry: LedgerEntry): void {
    entry.inflight += 1;
    entry.requests += 1;
    if (this.#loadListeners.length > 0) this.#tellLoad(entry);
  }

  ended(entry: LedgerEntry): void {
    entry.inflight -= 1;
    if (this.#loadListeners.length > 0) this.#tellLoad(entry);
    if (entry.inflight === 0 && entry.holders === 0) this.forget(entry);
  }

  onLoad(listener: LoadListener): () => void {
    this.#loadListeners = [...this.#loadListeners, listener];
    return () => {
      this.#loadListeners = this.#loadListeners.filter((other) => other !== listener);
    };
  }

  #tellLoad(entry: LedgerEntry): void {
    for (const listener of this.#loadListeners) listener(entry);
  }

  down(id: string, reporter: string, reason: string, forMs?: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const since = entry.verdicts.get(reporter)?.since ?? Date.now();
    this.#clear(entry, reporter);
    const verdict: Verdict = { reporter, reason, since, until: forMs === undefined ? Infinity : Date.now() + forMs };
    entry.verdicts.set(reporter, verdict);
    if (forMs !== undefined)
      this.#timers.set(
        verdict,
        longTimer(() => this.up(id, reporter), forMs),
      );
    this.#changed();
  }

  up(id: string, reporter: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || !entry.verdicts.has(reporter)) return;
    this.#clear(entry, reporter);
    this.#changed();
  }

  /** How many attempts at once a reporter would have the target take; undefined: any number. */
  limit(id: string, reporter: string, most: number | undefined): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.limits ??= new Map();
    if (most === undefined) entry.limits.delete(reporter);
    else entry.limits.set(reporter, most);
    entry.most = Math.min(Infinity, ...entry.limits.values());
    if (this.#loadListeners.length > 0) this.#tellLoad(entry);
  }

  /** A reporter that the new config does not have can never say up again: its verdicts go. */
  keepReporters(reporters: ReadonlySet<string>): void {
    let changed = false;
    for (const entry of this.#entries.values()) {
      for (const reporter of entry.limits?.keys() ?? []) {
        if (!reporters.has(reporter)) this.limit(entry.id, reporter, undefined);
      }
      for (const reporter of entry.verdicts.keys()) {
        if (reporters.has(reporter)) continue;
        this.#clear(entry, reporter);
        changed = true;
      }
    }
    if (changed) this.#changed();
  }

  verdicts(id: string): readonly Verdict[] {
    return [...(this.#entries.get(id)?.verdicts.values() ?? [])];
  }

  onVerdict(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers.values()) timer.clear();
    this.#timers.clear();
    await this.connections.close();
  }

  #clear(entry: LedgerEntry, reporter: string): void {
    const verdict = entry.verdicts.get(reporter);
    if (verdict === undefined) return;
    entry.verdicts.delete(reporter);
    this.#timers.get(verdict)?.clear();
    this.#timers.delete(verdict);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
