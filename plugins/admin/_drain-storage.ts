import type { Storage } from "unstorage";
import { inTime } from "../../core/index.ts";

/** A target that takes no new requests because an operator said so. */
export interface Drain {
  readonly id: string;
  /** Undefined: none was given. */
  readonly reason: string | undefined;
  /** `Date.now()` */
  readonly since: number;
}

/** Where drains outlive the process. */
export interface DrainStore {
  read(): Promise<readonly Drain[]>;
  write(drain: Drain): Promise<void>;
  remove(id: string): Promise<void>;
}

const base = "admin:drains";
/** Milliseconds after which a storage counts as away. */
const patience = 5_000;

export function createDrainStore(storage: Storage): DrainStore {
  let last: Promise<unknown> = Promise.resolve();

  /** One after the other: what an operator said last is what is stored. */
  function next(work: () => Promise<void>): Promise<void> {
    const done = last.then(() => inTime(work(), patience));
    last = done.catch(() => {}); // Whoever waits for it hears of it.
    return done;
  }

  return {
    read: () => inTime(readAll(storage), patience),
    write: (drain) => next(() => storage.setItem(keyOf(drain.id), JSON.stringify(drain))),
    remove: (id) => next(() => storage.removeItem(keyOf(id))),
  };
}

async function readAll(storage: Storage): Promise<Drain[]> {
  const found: Drain[] = [];
  for (const key of await storage.getKeys(base)) {
    const drain = parseDrain(await storage.getItem(key));
    if (drain === undefined) await storage.removeItem(key);
    else found.push(drain);
  }
  return found;
}

/** In hex: ids hold what keys, and the files of some drivers, cannot. */
function keyOf(id: string): string {
  return `${base}:${Buffer.from(id).toString("hex")}`;
}

function parseDrain(value: unknown): Drain | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, reason, since } = value as Record<string, unknown>;
  if (typeof id !== "string" || typeof since !== "number" || !Number.isFinite(since)) return undefined;
  return { id, reason: typeof reason === "string" ? reason : undefined, since };
}
