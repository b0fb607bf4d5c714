/** What is stored of a service. */
export interface Service {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly hostname: string;
  readonly url: string;
  /** `"running"` takes requests; any other word does not. */
  readonly status: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly weight: number;
  /** Milliseconds after a heartbeat for which it counts as healthy; it is forgotten after `forgetAfter` times as long. */
  readonly lease: number;
  /** ISO 8601, of the registration. */
  readonly timestamp: string;
  /** Of the last live check. */
  readonly health: "unknown" | "healthy" | "unhealthy";
  readonly owner: Owner;
  /** `Date.now()` of the last heartbeat, as far as it is known here; to be shown, never compared. */
  readonly lastHeartbeat: number;
  /** Milliseconds of this process's monotonic clock at which the lease lapses, or has lapsed. */
  readonly until: number;
}

/** Who may change a service while its lease holds. */
export interface Owner {
  /** SHA-256 of the lease id, as hex. */
  readonly lease: string;
  /** The registrant chose its lease id, so it can be asked for it; others are known by their address only. */
  readonly chosen: boolean;
  /** Address that registered it. */
  readonly peer: string;
}

/** Leases without a heartbeat after which a service is forgotten: 300 s for 120 s. */
export const forgetAfter = 2.5;

/** What a writer shows to prove that a service is its own. */
export interface Claim {
  /** SHA-256 of the lease id that was sent, as hex; undefined: none was. */
  readonly lease: string | undefined;
  readonly peer: string;
}

/** What a registrant says; the store adds the times. `lease` is in milliseconds, as in Service. */
export type Registration = Omit<Service, "health" | "lastHeartbeat" | "until">;

export type Patch = Partial<Pick<Service, "host" | "port" | "hostname" | "url" | "status" | "metadata" | "weight">>;

export type Refusal = "missing" | "taken" | "full";

/**
 * What a store tells. In the order in which it came to be so, never before `open` resolved or after `close` was called;
 * a change of one's own is told before the promise of the call that made it resolves.
 */
export interface StoreEvents {
  /** It is new, or something about it other than its heartbeat changed, its health by the lease included. */
  upserted(service: Service): void;
  removed(name: string, reason: "deregistered" | "expired"): void;
  /** What is told is no longer kept up to date, and why; undefined: it is again. */
  stale(error: Error | undefined): void;
}

/**
 * The services of a registry. Reading is synchronous and from this process's memory; writing is atomic, also among the
 * processes that share the store, and throws `storeAway` when the store cannot be reached.
 */
export interface RegistryStore {
  /** The same for as long as nothing was forgotten that should not have been; a new one says: compare, do not believe. */
  readonly epoch: string;
  readonly size: number;
  /** Loads what is there. Until it resolves nothing may be read or written. */
  open(events: StoreEvents): Promise<void>;
  all(): Iterable<Service>;
  get(name: string): Service | undefined;
  /** Creates it, or replaces one that `may` be. A limit on how many there are is the caller's; `full` is a store's own. */
  register(registration: Registration, claim: Claim): Promise<Service | Refusal>;
  /** Counts as a heartbeat. */
  update(name: string, patch: Patch, claim: Claim): Promise<Service | Refusal>;
  heartbeat(name: string, status: string | undefined, claim: Claim): Promise<Service | Refusal>;
  remove(name: string, claim: Claim): Promise<Service | Refusal>;
  /** What a live check found; a pass counts as a heartbeat if `beats`. */
  checked(name: string, health: Service["health"], beats: boolean): Promise<void>;
  close(): Promise<void>;
}

/** The error of a write that the store could not take because it cannot be reached; the message holds no credentials. */
export function storeAway(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: "STORE_AWAY" });
}

export function isStoreAway(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "STORE_AWAY";
}

/** When a service is forgotten unless it sends a heartbeat first; on the clock of `until`. */
export function forgottenAt({ until, lease }: Pick<Service, "until" | "lease">): number {
  return until + (forgetAfter - 1) * lease;
}

/** Whether a service may be changed: by its owner, or by anyone once its lease has lapsed. */
export function may(service: Service, claim: Claim, now: number, at?: Pick<Service, "host" | "port">): boolean {
  const { owner } = service;
  if (service.until <= now || claim.lease === owner.lease) return true;
  if (claim.peer !== owner.peer) return false;
  // One that was killed comes back without its lease id, but nobody else can have its port.
  return !owner.chosen || (at !== undefined && at.host === service.host && at.port === service.port);
}
