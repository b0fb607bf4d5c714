import type { Site } from "./site.ts";

/** A site and what it is for. */
export interface Mounted {
  /** Lower-case; `.example.com` stands for any name below it, undefined for any at all. */
  readonly host: string | undefined;
  /** Without a slash at its end; empty for all paths. */
  readonly path: string;
  readonly site: Site;
}

/** The sites of one listener. */
export interface SiteTable {
  /** What a request meets that belongs to no mount, or whose head is not read yet. */
  readonly base: Site;
  /** Undefined where there are no mounts. */
  readonly find: ((host: string, path: string) => Site) | undefined;
  /** Each once, the base first. */
  readonly all: readonly Site[];
}

export function createSiteTable(base: Site, mounted: readonly Mounted[]): SiteTable {
  if (mounted.length === 0) return { base, find: undefined, all: [base] };
  const sorted = mounted.toSorted(byExactness);
  const byHost = sorted.some(({ host }) => host !== undefined);
  return {
    base,
    all: [...new Set([base, ...mounted.map(({ site }) => site)])],
    find(host, path) {
      const name = byHost ? hostName(host) : "";
      for (const mount of sorted) if (isUnder(path, mount.path) && isHost(name, mount.host)) return mount.site;
      return base;
    },
  };
}

/** The most exact host first, then the longest path. */
function byExactness(a: Mounted, b: Mounted): number {
  return exactness(b.host) - exactness(a.host) || b.path.length - a.path.length;
}

/** A name beats a pattern, and of patterns the longer one is the more exact. */
function exactness(host: string | undefined): number {
  if (host === undefined) return -1;
  return host.startsWith(".") ? host.length : 1_000;
}

/** By whole segments: `/v1` has `/v1` and `/v1/models`, not `/v1x`. */
function isUnder(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix === "" || path.charCodeAt(prefix.length) === 47; /* / */
}

function isHost(name: string, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  return wanted.startsWith(".") ? name.endsWith(wanted) && name.length > wanted.length : name === wanted;
}

/** Without its port and a dot at its end, which is another way to write the same name. */
function hostName(host: string): string {
  const port = host.endsWith("]") ? -1 : host.lastIndexOf(":");
  const name = (port === -1 ? host : host.slice(0, port)).toLowerCase();
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
