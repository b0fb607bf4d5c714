import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Client } from "./_client.ts";
import type { ValidKeyEntry } from "./_key-entry.ts";
import { namesMatcher } from "./_names.ts";

export interface ClientKey {
  readonly client: Client;
  /** `Date.now()` from which on it is no longer good. */
  readonly expires: number;
  /** Undefined: any model. */
  readonly allows: ((model: string) => boolean) | undefined;
}

export interface KeyTable {
  /** Takes as long for one that it does not know. */
  find(secret: string): ClientKey | undefined;
}

interface Row {
  readonly digest: Buffer;
  readonly key: ClientKey | undefined;
}

/** Digests as they are compared: of an entry's hash, or of its key. */
export function digestOfEntry({ hash: given, key = "" }: ValidKeyEntry): string {
  return given === undefined ? hash("sha256", key) : given.replace(/^sha256:/i, "").toLowerCase();
}

/**
 * By digest, so that a look-up does not depend on how many there are; how long it takes tells something of the digest of
 * what was sent, from which nobody finds a key.
 */
export function createKeyTable(entries: readonly ValidKeyEntry[]): KeyTable {
  const rows = new Map<string, Row>();
  for (const entry of entries) {
    const digest = digestOfEntry(entry);
    rows.set(digest, { digest: Buffer.from(digest, "hex"), key: toClientKey(entry) });
  }
  const nobody: Row = { digest: randomBytes(32), key: undefined };
  return {
    find(secret) {
      const digest = hash("sha256", secret, "buffer");
      const row = rows.get(digest.toString("hex")) ?? nobody;
      return timingSafeEqual(row.digest, digest) ? row.key : undefined;
    },
  };
}

function toClientKey({ name, models, expires, limits }: ValidKeyEntry): ClientKey {
  return {
    client: Object.freeze({ name, ...(limits !== undefined && { limits: Object.freeze({ ...limits }) }) }),
    expires: expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires),
    allows: models && namesMatcher(models),
  };
}
