import type { Storage } from "unstorage";
import { type CoolDown, keyOf } from "./_cool-downs.ts";
import { inTime } from "../../core/index.ts";

/** Milliseconds after which a storage counts as away. */
const patience = 5_000;

/** Those that are not over yet; what is, and what nobody can read, is removed. */
export async function readCoolDowns(storage: Storage, base: string, now: number): Promise<CoolDown[]> {
  return inTime(readAll(storage, base, now), patience);
}

/** Writes one, over what was known of the same target and model. */
export async function writeCoolDown(storage: Storage, base: string, coolDown: CoolDown): Promise<void> {
  await inTime(storage.setItem(storageKey(base, coolDown), JSON.stringify(coolDown)), patience);
}

/** Removes those of one target, or all. */
export async function removeCoolDowns(storage: Storage, base: string, target: string | undefined): Promise<void> {
  await inTime(removeAll(storage, base, target), patience);
}

async function removeAll(storage: Storage, base: string, target: string | undefined): Promise<void> {
  for (const key of await storage.getKeys(base)) {
    const name = Buffer.from(key.slice(key.lastIndexOf(":") + 1), "hex").toString();
    if (target === undefined || name === target || name.startsWith(`${target} `)) await storage.removeItem(key);
  }
}

async function readAll(storage: Storage, base: string, now: number): Promise<CoolDown[]> {
  const found: CoolDown[] = [];
  for (const key of await storage.getKeys(base)) {
    const coolDown = parseCoolDown(await storage.getItem(key));
    if (coolDown !== undefined && coolDown.until > now) found.push(coolDown);
    else await storage.removeItem(key);
  }
  return found;
}

/** In hex: ids and model names hold what keys, and the files of some drivers, cannot. */
function storageKey(base: string, { id, model }: CoolDown): string {
  return `${base}:${Buffer.from(keyOf(id, model)).toString("hex")}`;
}

function parseCoolDown(value: unknown): CoolDown | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, model, until, reason } = value as Record<string, unknown>;
  if (typeof id !== "string" || typeof until !== "number" || typeof reason !== "string") return undefined;
  return { id, model: typeof model === "string" ? model : undefined, until, reason };
}
