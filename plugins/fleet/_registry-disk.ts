import { createHash } from "node:crypto";
import type { ConsolaInstance } from "consola";
import type { Storage } from "unstorage";
import * as v from "valibot";
import { alarm } from "./_registry-deadlines.ts";
import type { Service } from "./_registry-store.ts";
import { createTurns } from "./_registry-turns.ts";

export type DiskLog = Pick<ConsolaInstance, "info" | "warn" | "error">;
export type SavedService = Omit<Service, "until">;

/** What follows the memory of a store; writing never fails for whom it is done, a fault is told once and mended later. */
export interface Disk {
  /** The epoch is undefined where there was none, or something could not be read and so was forgotten. */
  load(): Promise<{ readonly epoch: string | undefined; readonly services: readonly SavedService[] }>;
  saveEpoch(epoch: string): Promise<void>;
  /** Writes the service as it is then, or that it is gone; resolves when that is done, has failed or takes too long. */
  save(name: string): Promise<void>;
  /** The same, together with others. */
  saveSoon(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface DiskOptions {
  readonly storage: Storage;
  readonly disposes: boolean;
  readonly log: DiskLog;
  /** The service as it is now. */
  read(name: string): Service | undefined;
  stale(error: Error | undefined): void;
}

const servicesAt = "registry:services";
const epochAt = "registry:epoch";
/** Milliseconds for which heartbeats are gathered; a registrant waits for them. */
const gather = 20;
/** Milliseconds after which an answer no longer waits for the storage. */
const patience = 2_000;
const [firstRetry, lastRetry] = [1_000, 30_000];

export function createDisk({ storage, disposes, log, read, stale }: DiskOptions): Disk {
  const trouble = createTrouble(log, stale, save);
  const late = (name: string): void => trouble.note(name, new Error(`no answer within ${patience} ms`));
  const turns = createTurns({ write, late, patience });
  let batch: Promise<void> | undefined;
  let gathered = new Set<string>();

  async function write(name: string): Promise<void> {
    try {
      const service = read(name);
      if (service === undefined) await storage.removeItem(toKey(name));
      else await storage.setItem(toKey(name), toText(service));
      trouble.note(name, undefined);
    } catch (error) {
      trouble.note(name, error instanceof Error ? error : new Error(String(error)));
    }
  }

  function save(name: string): Promise<void> {
    return turns.take(name);
  }

  async function saveAll(names: Iterable<string>): Promise<void> {
    await Promise.all([...names].map(save));
  }

  return {
    save,
    saveSoon(name) {
      gathered.add(name);
      batch ??= new Promise((resolve) => {
        alarm(() => {
          const names = gathered;
          gathered = new Set();
          batch = undefined;
          void saveAll(names).then(resolve);
        }, gather);
      });
      return batch;
    },
    async saveEpoch(epoch) {
      await storage.setItem(epochAt, epoch);
    },
    load: () => load(storage, log),
    async close() {
      trouble.close();
      const names = new Set([...gathered, ...turns.open()]);
      gathered = new Set();
      await saveAll(names);
      if (disposes) await storage.dispose();
    },
  };
}

interface Trouble {
  note(name: string, error: Error | undefined): void;
  close(): void;
}

/** The services whose last word is not written, and the attempts to write it yet. */
function createTrouble(log: DiskLog, stale: DiskOptions["stale"], save: Disk["save"]): Trouble {
  const names = new Set<string>();
  let cancel = (): void => {};
  let closed = false;

  function retryAfter(ms: number): void {
    cancel();
    if (closed) return;
    cancel = alarm(() => {
      const [first] = names;
      if (first === undefined) return;
      void save(first).then(() => {
        const through = !names.has(first);
        if (through) for (const other of names) void save(other);
        retryAfter(through ? firstRetry : Math.min(ms * 2, lastRetry));
      });
    }, ms);
  }

  return {
    note(name, error) {
      const before = names.size > 0;
      if (error === undefined) names.delete(name);
      else names.add(name);
      if (before === names.size > 0) return;
      stale(error);
      if (error === undefined) {
        log.info("the storage of the registry takes what is written again");
      } else {
        log.error(`the storage of the registry fails, what is new is kept in memory only: ${error.message}`);
        retryAfter(firstRetry);
      }
    },
    close() {
      closed = true;
      cancel();
    },
  };
}

async function load(storage: Storage, log: DiskLog): Promise<Awaited<ReturnType<Disk["load"]>>> {
  const epoch = toPlain(await storage.getItemRaw<unknown>(epochAt));
  const services: SavedService[] = [];
  let unread = 0;
  const keys = await storage.getKeys(servicesAt);
  const next = keys.values();
  async function readOn(): Promise<void> {
    for (const key of next) {
      const service = parseSaved(toPlain(await storage.getItemRaw<unknown>(key).catch(() => undefined)));
      if (service !== undefined) services.push(service);
      else log.warn(`item ${key} of the registry's storage holds no service and is skipped`);
      if (service === undefined) unread += 1;
    }
  }
  await Promise.all(Array.from({ length: 32 }, readOn));
  const known = unread === 0 && typeof epoch === "string" && /^[\w-]{8,64}$/.test(epoch);
  return { epoch: known ? epoch : undefined, services };
}

/** Not the name: file systems know fewer characters, fewer of them, and some take A for a. */
function toKey(name: string): string {
  return `${servicesAt}:${createHash("sha256").update(name).digest("hex").slice(0, 40)}`;
}

function toText(service: Service): string {
  const kept: SavedService & { until?: number } = { ...service };
  delete kept.until;
  return JSON.stringify(kept);
}

const saved: v.GenericSchema<unknown, SavedService> = v.object({
  name: v.pipe(v.string(), v.nonEmpty()),
  host: v.string(),
  port: v.number(),
  hostname: v.string(),
  url: v.string(),
  status: v.string(),
  metadata: v.custom<Record<string, unknown>>(isRecord),
  weight: v.number(),
  lease: v.pipe(v.number(), v.minValue(1)),
  timestamp: v.string(),
  health: v.picklist(["unknown", "healthy", "unhealthy"]),
  owner: v.object({ lease: v.string(), chosen: v.boolean(), peer: v.string() }),
  lastHeartbeat: v.number(),
});

function parseSaved(text: unknown): SavedService | undefined {
  try {
    const { success, output } = v.safeParse(saved, typeof text === "string" ? JSON.parse(text) : text);
    return success ? output : undefined;
  } catch {
    return undefined; // It is not JSON, such as half a file.
  }
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Drivers give text, bytes, or what they parsed themselves. */
function toPlain(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : value;
}
