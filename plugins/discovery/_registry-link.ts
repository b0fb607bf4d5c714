import type { RegistryClient } from "./_registry-client.ts";
import type { Table } from "./_registry-table.ts";

export interface LinkOptions {
  /** The first that answers is the one that is believed. */
  readonly urls: readonly string[];
  readonly client: RegistryClient;
  readonly table: Table;
  readonly signal: AbortSignal;
  /** Milliseconds between two polls, and those that an answer may take. */
  readonly interval: number;
  readonly timeout: number;
  readonly now: () => number;
  readonly random: () => number;
  /** None answers, and why; undefined: one does again. */
  away(error: Error | undefined): void;
  /** A registry that answers cannot be watched, and why. */
  unwatched(url: string, reason: string): void;
}

export interface Registry {
  readonly url: string;
  failedAt: number;
  /** It answers a watch with a list, as the original does: it is not asked again before it shows an epoch. */
  listsOnly: boolean;
  /** Attempts in a row to watch it that failed. */
  failedWatches: number;
}

export interface Watch {
  readonly registry: Registry;
  readonly cancel: AbortController;
  heardAt: number;
  /** Its first list came: what it tells is the truth from then on, and polls rest. */
  live: boolean;
}

/** What polls and streams share of the registries they speak to. */
export interface Link extends LinkOptions {
  readonly registries: readonly Registry[];
  /** The one that answered last. */
  current: Registry;
  watch: Watch | undefined;
  /** Names the state that the table is in. */
  etag: string | undefined;
  /** Events of streams so far. */
  events: number;
  isAway: boolean;
}

export function createLink(options: LinkOptions): Link {
  const registries = options.urls.map((url): Registry => ({
    url,
    failedAt: -Infinity,
    listsOnly: false,
    failedWatches: 0,
  }));
  const current = registries[0]!;
  return { ...options, registries, current, watch: undefined, etag: undefined, events: 0, isAway: false };
}

export function isLive({ watch }: Link, registry: Registry): boolean {
  return watch?.live === true && watch.registry === registry;
}

export function answered(link: Link): void {
  if (link.isAway) link.away(undefined);
  link.isAway = false;
}
