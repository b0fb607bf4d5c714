import { randomUUID } from "node:crypto";
import type { ConsolaInstance } from "consola";
import { createRegistryClient } from "./_registrar-client.ts";
import { keepRegistered, type RegisteredService } from "./_registrar-service.ts";

/** A service as it is told to a registry. */
export interface RegistrationBody {
  /** 1 to 128 letters, digits and `_ . : @ + -`, the first a letter or a digit. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly hostname: string;
  readonly url: string;
  /** `"running"` takes requests; any other word does not. */
  readonly status: string;
  /** @default 1 */
  readonly weight?: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface RegistrarOptions {
  /** Addresses of the registry, one or more: any of them answers for all. */
  readonly url: readonly string[];
  readonly token?: string | undefined;
  /** Milliseconds between two heartbeats of a service, give or take a tenth. */
  readonly heartbeat: number;
  /** Milliseconds without a heartbeat after which the service counts as gone. @default 3 heartbeats, at least 10 s */
  readonly lease?: number | undefined;
  readonly log: ConsolaInstance;
  readonly random: () => number;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
  /** Ends registering and heartbeats; what is registered may still be dropped. */
  readonly signal?: AbortSignal | undefined;
}

/** Keeps services registered for as long as it lives, whatever becomes of the registry. */
export interface Registrar {
  /** What the service of that name is to look like from now on. The registry is told at once, in order, of the last. */
  set(registration: RegistrationBody): void;
  /** Deregisters, within two seconds or not at all. Never rejects; does nothing for a name that was not set. */
  drop(name: string): Promise<void>;
  /** Ends everything without deregistering: what was not dropped lapses with its lease. */
  close(): Promise<void>;
}

/**
 * Registers services, keeps them alive by heartbeats, and registers them again when the registry forgot them.
 *
 * Opens nothing before the first `set`. Trouble is logged when it changes, not each time it is met.
 */
export function createRegistrar(options: RegistrarOptions): Registrar {
  const { token, heartbeat, log, random, signal } = options;
  const client = createRegistryClient(options);
  const tools = { client, withToken: token !== undefined, heartbeat, lease: leaseOf(options), log, random };
  const services = new Map<string, RegisteredService>();
  const drops = new Map<string, Promise<void>>();
  const leaseIds = new Map<string, string>();
  let ended = false;

  function start(registration: RegistrationBody): RegisteredService {
    const { name } = registration;
    const leaseId = leaseIds.get(name) ?? randomUUID();
    leaseIds.set(name, leaseId);
    // What is registered after a drop must not meet its DELETE.
    return keepRegistered(registration, { leaseId, after: drops.get(name) }, tools);
  }

  async function endAll(): Promise<void> {
    ended = true;
    await Promise.all([...services.values()].map((service) => service.end()));
  }
  const abort = (): void => void endAll();
  if (signal?.aborted === true) ended = true;
  else signal?.addEventListener("abort", abort, { once: true });

  return {
    set(registration) {
      if (ended) return;
      const { name } = registration;
      const service = services.get(name);
      if (service === undefined) services.set(name, start(registration));
      else service.change(registration);
    },
    drop(name) {
      const service = services.get(name);
      if (service === undefined) return drops.get(name) ?? Promise.resolve();
      services.delete(name);
      const dropped = service.drop().finally(() => {
        if (drops.get(name) === dropped) drops.delete(name);
      });
      drops.set(name, dropped);
      return dropped;
    },
    async close() {
      signal?.removeEventListener("abort", abort);
      await Promise.all([endAll(), ...drops.values()]);
      await client.close();
    },
  };
}

/** Seconds. */
function leaseOf({ lease, heartbeat }: RegistrarOptions): number {
  return Math.min(86_400, Math.ceil((lease ?? Math.max(10_000, 3 * heartbeat)) / 1_000));
}
