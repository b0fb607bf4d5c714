import { Resolver } from "node:dns/promises";
import type { SrvRecord } from "node:dns";

export type Family = "A" | "AAAA";

/** What is known of a name; the last known stands in for what was not answered. */
export interface Known<T> {
  readonly records: readonly T[];
  /** Seconds, of what was answered now; undefined: nothing was, or it has none. */
  readonly ttl?: number | undefined;
  /** Why there was no answer, or none with records. */
  readonly fault?: string | undefined;
  /** The fault is that there are no such records, or that there is no such name. */
  readonly none?: boolean;
}

/** What was answered last, by type and name. */
export type LastKnown = Map<string, readonly (string | SrvRecord)[]>;

export interface LookupOptions {
  /** @default those of the system */
  readonly servers: readonly string[] | undefined;
  /** Milliseconds for all questions of one round. */
  readonly timeout: number;
  readonly last: LastKnown;
  readonly signal: AbortSignal;
}

/** Asks the DNS, and never rejects. */
export interface Lookup {
  addresses(name: string, family: Family): Promise<Known<string>>;
  services(name: string): Promise<Known<SrvRecord>>;
  /** Of what it has no more of since it has something else, nothing is known. */
  forget(name: string, family: Family): void;
  /** Runs a round of questions; those that are still open at its end have no answer. */
  within<T>(round: () => Promise<T>): Promise<T>;
}

interface Answer<T> {
  readonly records: readonly T[];
  readonly ttl?: number;
}

export function createLookup({ servers, timeout, last, signal }: LookupOptions): Lookup {
  // Each try waits twice as long as the one before: both fit into the time there is.
  const resolver = new Resolver({ timeout: Math.ceil(timeout / 3), tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  signal.addEventListener("abort", () => resolver.cancel(), { once: true });
  let over = false;

  async function ask<T extends string | SrvRecord>(
    type: string,
    name: string,
    question: () => Promise<Answer<T>>,
  ): Promise<Known<T>> {
    const key = `${type} ${name}`;
    try {
      if (over) throw new Error("no time left");
      const { records, ttl } = await question();
      if (records.length === 0) throw Object.assign(new Error("no records"), { code: "ENODATA" });
      last.set(key, records);
      return { records, ttl };
    } catch (error) {
      const fault = `${type} ${name}: ${over ? `no answer within ${timeout} ms` : toWords(error)}`;
      return { records: (last.get(key) ?? []) as readonly T[], fault, none: isNone(error) };
    }
  }

  return {
    addresses: (name, family) =>
      ask(family, name, async () => {
        const found =
          family === "A" ? await resolver.resolve4(name, { ttl: true }) : await resolver.resolve6(name, { ttl: true });
        return { records: found.map(({ address }) => address), ttl: Math.min(...found.map(({ ttl }) => ttl)) };
      }),
    services: (name) => ask("SRV", name, async () => ({ records: await resolver.resolveSrv(name) })),
    forget: (name, family) => void last.delete(`${family} ${name}`),
    async within(round) {
      over = false;
      const timer = setTimeout(() => {
        over = true;
        resolver.cancel();
      }, timeout);
      try {
        return await round();
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

const words: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no such name",
  ENODATA: "the name has no such record",
  ESERVFAIL: "the name server could not answer",
  EREFUSED: "the name server refuses to answer",
  ETIMEOUT: "the name server does not answer",
  ECONNREFUSED: "there is no name server",
};

function isNone(error: unknown): boolean {
  return ["ENOTFOUND", "ENODATA"].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function toWords(error: unknown): string {
  const code = codeOf(error);
  const said = words[code];
  if (said !== undefined) return `${said} (${code})`;
  return code === "" ? String(error) : code;
}
