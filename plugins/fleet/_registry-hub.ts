import type { IncomingMessage, ServerResponse } from "node:http";
import { toEntry, toList } from "./_registry-entry.ts";
import type { RegistryStore, StoreEvents } from "./_registry-store.ts";
import { createWatchers } from "./_registry-watchers.ts";

export interface HubOptions {
  readonly now: () => number;
  /** No two processes begin alike, so that an ETag means one state of one of them. */
  readonly firstVersion: number;
}

/** Counts what changes, and tells all who watch. */
export interface Hub extends StoreEvents {
  readonly watchers: number;
  /** Why what is told may be old; undefined: it is not. */
  readonly staleBecause: string | undefined;
  etag(store: RegistryStore): string;
  /** `over`: its proxy drains, or its generation is past. */
  watch(store: RegistryStore, req: IncomingMessage, res: ServerResponse, over: () => boolean): void;
  close(): void;
}

/** Milliseconds for which many who come at once are sent the same list; heartbeats do not change it. */
const listLasts = 1_000;

export function createHub({ now, firstVersion }: HubOptions): Hub {
  const watchers = createWatchers(now);
  let version = firstVersion;
  let staleBecause: string | undefined;
  let store: RegistryStore | undefined;
  /** The epoch that watchers know. */
  let told = "";
  let events: string[] = [];
  let flushing: NodeJS.Immediate | undefined;
  let list: { readonly version: number; readonly at: number; readonly bytes: Buffer } | undefined;

  function tell(event: string, json: () => string): void {
    version += 1;
    if (watchers.size === 0 || store === undefined) return;
    events.push(`event: ${event}\nid: ${store.epoch}-${version}\ndata: ${json()}\n\n`);
    // What changes in one turn is one write: ten thousand leases may lapse at once.
    flushing ??= setImmediate(flush);
  }

  function flush(): void {
    clearImmediate(flushing);
    flushing = undefined;
    if (events.length > 0) watchers.send(Buffer.from(events.join("")));
    events = [];
  }

  function toSync(of: RegistryStore): Buffer {
    if (list?.version === version && now() - list.at < listLasts) return list.bytes;
    const services = toList(of.all(), now()).json;
    const json = `{"epoch":${JSON.stringify(of.epoch)},"version":${version},"services":${services}}`;
    list = { version, at: now(), bytes: Buffer.from(`event: sync\nid: ${of.epoch}-${version}\ndata: ${json}\n\n`) };
    return list.bytes;
  }

  function tellAll(of: RegistryStore): void {
    flush();
    version += 1;
    told = of.epoch;
    if (watchers.size > 0) watchers.send(toSync(of));
  }

  return {
    get watchers() {
      return watchers.size;
    },
    get staleBecause() {
      return staleBecause;
    },
    etag(of) {
      settle(of);
      return `W/"${of.epoch}-${version}"`;
    },
    upserted: (service) => tell("upsert", () => toEntry(service, now())),
    removed: (name, reason) => tell("remove", () => JSON.stringify({ name, reason })),
    stale(error) {
      staleBecause = error?.message;
      // Not what they know any more: they have to compare.
      if (error === undefined && store !== undefined && store.epoch !== told) tellAll(store);
    },
    watch(of, req, res, over) {
      store = of;
      told = of.epoch;
      settle(of);
      // What was told to others is in the list already.
      flush();
      res.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "x-registry-epoch": of.epoch,
        // What is kept open for as long as it lasts is not for another request.
        connection: "close",
      });
      watchers.add(req, res, toSync(of), over);
    },
    close() {
      flush();
      watchers.close();
      store = undefined;
    },
  };
}

/** Whatever is read of a store, it first tells what has lapsed by now. */
function settle(store: RegistryStore): void {
  void store.size;
}
