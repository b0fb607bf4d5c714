import type { Setup } from "../../core/index.ts";
import { shortestKey, type ValidKeyEntry } from "./_key-entry.ts";
import { digestOfEntry } from "./_key-table.ts";

/** Says what is wrong with the keys of a config, without showing any of them. */
export function checkKeys(proxy: Setup, entries: readonly ValidKeyEntry[]): void {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const { key, hash } = entry;
    const path = `keys.${index}.${hash === undefined ? "key" : "hash"}`;
    const message = key === undefined ? undefined : whatIsWrong(proxy, key);
    if (message !== undefined) proxy.problem({ path, message, fix: 'write env("..."), or its SHA-256 as "hash"' });
    const digest = digestOfEntry(entry);
    if (seen.has(digest)) proxy.problem({ path, message: "the same key stands twice in the list" });
    seen.add(digest);
  }
}

/** `env()` gives a text like any other; what is not in the environment was written down. */
function whatIsWrong({ mode }: Setup, key: string): string | undefined {
  // Tables of routes are tested where no secrets are: see env().
  if (mode !== "serve" && /^<[\w-]+>$/.test(key)) return undefined;
  if (!Object.values(process.env).includes(key)) return "a key must not be written into a config";
  return /^[\x21-\x7e]+$/.test(key) && key.length >= shortestKey
    ? undefined
    : `a key is at least ${shortestKey} printable characters, without spaces`;
}
