import { randomUUID } from "node:crypto";
import type { Storage } from "unstorage";
import { alarm as timer, type Alarm } from "./_registry-deadlines.ts";
import { createDisk, type Disk, type DiskLog } from "./_registry-disk.ts";
import { createLeases, type Leased } from "./_registry-leases.ts";
import {
  type Claim,
  forgottenAt,
  may,
  type Patch,
  type RegistryStore,
  type Service,
  type StoreEvents,
} from "./_registry-store.ts";

export interface LocalStoreOptions {
  /** Where it is kept over a restart; for this process alone. @default nowhere */
  readonly storage?: Storage;
  /** Close the storage together with the store. @default false */
  readonly disposes?: boolean;
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number;
  /** @default Date.now */
  readonly wallClock?: () => number;
  /** For what lapses. @default a timer of Node's */
  readonly alarm?: Alarm;
  readonly log: DiskLog;
}

/** The share of a lease for which heartbeats are not written down; after a restart it is added to what was. */
const unwritten = 0.25;

type News = Patch & Partial<Pick<Service, "health">>;

/** A store in the memory of this process, which is the truth; a storage, if there is one, follows it. */
export function createLocalStore(options: LocalStoreOptions): RegistryStore {
  const { storage, now, wallClock = Date.now, alarm = timer, log } = options;
  let epoch: string = randomUUID();
  let events: StoreEvents | undefined;
  let disk: Disk | undefined;
  const leases = createLeases({
    now,
    alarm,
    lapsed: (service) => events?.upserted(service),
    expired({ name }) {
      events?.removed(name, "expired");
      void disk?.save(name);
    },
  });

  function claimed(name: string, claim: Claim): Leased | "missing" | "taken" {
    const entry = leases.find(name);
    if (entry === undefined) return "missing";
    return may(entry.service, claim, now()) ? entry : "taken";
  }

  /** Changes a service and counts it as a heartbeat; resolves when it is written, if it has to be. */
  async function beat(entry: Leased, news: News): Promise<Service> {
    const { service: before, lapsed } = entry;
    const changes = differs(before, news);
    const service = { ...before, ...news, until: now() + before.lease, lastHeartbeat: wallClock() };
    leases.put(service);
    if (changes || lapsed) events?.upserted(service);
    if (disk === undefined) return service;
    const late = now() - entry.savedAt > before.lease * unwritten;
    if (changes || late) entry.savedAt = now();
    if (changes) await disk.save(service.name);
    else if (late) await disk.saveSoon(service.name);
    return service;
  }

  async function load(from: Disk): Promise<void> {
    const saved = await from.load();
    epoch = saved.epoch ?? epoch;
    const wall = wallClock();
    for (const { lease, lastHeartbeat: last, ...rest } of saved.services) {
      // A wall clock that was set back makes nothing younger than now.
      const lastHeartbeat = Math.min(last, wall);
      const until = now() + lastHeartbeat + lease * (1 + unwritten) - wall;
      const service = { ...rest, lease, lastHeartbeat, until };
      if (forgottenAt(service) > now()) leases.put(service).savedAt = -Infinity;
      else void from.save(service.name);
    }
    if (saved.epoch === undefined) await from.saveEpoch(epoch);
  }

  async function open(to: StoreEvents): Promise<void> {
    if (storage !== undefined) {
      const read = (name: string): Service | undefined => leases.find(name)?.service;
      const stale = (error: Error | undefined): void => events?.stale(error);
      disk = createDisk({ storage, disposes: options.disposes ?? false, log, read, stale });
      await load(disk);
    }
    events = to;
  }

  return {
    get epoch() {
      return epoch;
    },
    get size() {
      return leases.size;
    },
    open,
    all: () => leases.services(),
    get: (name) => leases.find(name)?.service,
    async register(registration, claim) {
      const there = leases.find(registration.name);
      if (there !== undefined && !may(there.service, claim, now(), registration)) return "taken";
      const until = now() + registration.lease;
      const service: Service = { ...registration, health: "unknown", lastHeartbeat: wallClock(), until };
      leases.put(service).savedAt = now();
      events?.upserted(service);
      await disk?.save(service.name);
      return service;
    },
    async update(name, patch, claim) {
      const entry = claimed(name, claim);
      return typeof entry === "string" ? entry : beat(entry, patch);
    },
    async heartbeat(name, status, claim) {
      const entry = claimed(name, claim);
      if (typeof entry === "string") return entry;
      return beat(entry, status === undefined ? nothing : { status });
    },
    async remove(name, claim) {
      const entry = claimed(name, claim);
      if (typeof entry === "string") return entry;
      leases.drop(entry);
      events?.removed(name, "deregistered");
      await disk?.save(name);
      return entry.service;
    },
    async checked(name, health, beats) {
      const entry = leases.find(name);
      if (entry === undefined) return;
      if (beats && health === "healthy") {
        await beat(entry, { health });
      } else if (entry.service.health !== health) {
        entry.service = { ...entry.service, health };
        events?.upserted(entry.service);
        await disk?.save(name);
      }
    },
    async close() {
      events = undefined;
      leases.close();
      const last = disk;
      disk = undefined;
      await last?.close();
    },
  };
}

const nothing: News = Object.freeze({});

function differs(service: Service, news: News): boolean {
  if (news === nothing) return false;
  return Object.entries(news).some(([field, value]) => {
    const before = service[field as keyof Service];
    // Two lists of models are the same if they read the same.
    return value !== before && (typeof value !== "object" || JSON.stringify(value) !== JSON.stringify(before));
  });
}
