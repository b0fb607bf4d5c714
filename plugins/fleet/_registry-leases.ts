import { type Alarm, createDeadlines, type Due } from "./_registry-deadlines.ts";
import { forgottenAt, type Service } from "./_registry-store.ts";

export interface Leased extends Due {
  service: Service;
  /** That its lease has lapsed was told. */
  lapsed: boolean;
  /** When a heartbeat of it was last written. */
  savedAt: number;
}

/** Services in memory whose leases lapse, and which are forgotten, when it is time. */
export interface Leases {
  readonly size: number;
  find(name: string): Leased | undefined;
  services(): Iterable<Service>;
  /** With the lease that the service says. */
  put(service: Service): Leased;
  drop(entry: Leased): void;
  close(): void;
}

export interface LeasesOptions {
  readonly now: () => number;
  readonly alarm: Alarm;
  lapsed(service: Service): void;
  /** It is no longer there. */
  expired(service: Service): void;
}

/** Nothing takes a scan: a heartbeat moves no deadline, and what lapses is told by one timer. */
export function createLeases({ now, alarm, lapsed, expired }: LeasesOptions): Leases {
  const entries = new Map<string, Leased>();
  const deadlines = createDeadlines<Leased>({ now, alarm, due });

  function due(entry: Leased): number | undefined {
    const { service } = entry;
    // There were heartbeats.
    if (service.until > now()) return service.until;
    if (!entry.lapsed) {
      entry.lapsed = true;
      lapsed(service);
    }
    if (forgottenAt(service) > now()) return forgottenAt(service);
    drop(entry);
    expired(service);
    return undefined;
  }

  function drop(entry: Leased): void {
    entries.delete(entry.service.name);
    deadlines.remove(entry);
  }

  return {
    get size() {
      deadlines.settle();
      return entries.size;
    },
    find(name) {
      deadlines.settle();
      return entries.get(name);
    },
    *services() {
      deadlines.settle();
      for (const { service } of entries.values()) yield service;
    },
    put(service) {
      const entry = entries.get(service.name) ?? { service, lapsed: false, savedAt: 0, at: 0, place: -1 };
      entry.service = service;
      entry.lapsed = service.until <= now();
      entries.set(service.name, entry);
      deadlines.set(entry, entry.lapsed ? forgottenAt(service) : service.until);
      return entry;
    },
    drop,
    close: () => deadlines.close(),
  };
}
