import { parseJson, toReason } from "./_registry-client.ts";
import { answered, type Link, type Watch } from "./_registry-link.ts";
import type { StreamEvent } from "./_registry-stream.ts";
import type { Table } from "./_registry-table.ts";

export type WatchEnd =
  /** It told of the services until now, or was expected to. */
  | "broke"
  /** It failed, and not for the first time. */
  | "failed"
  /** There is nothing to watch: the registry lists only. */
  | "none";

/** Milliseconds without a byte, three of the registry's pings, after which a stream is dead. */
const silence = 45_000;
/** Failed attempts after which it is told that a registry cannot be watched. */
const mostFailures = 3;

/** Watches the registry that answered last, until that ends. Never rejects. */
export async function watchRegistry(link: Link): Promise<WatchEnd> {
  const { client, timeout, now, signal, current: registry } = link;
  if (registry.listsOnly) return "none";
  const watch: Watch = { registry, cancel: new AbortController(), heardAt: now(), live: false };
  link.watch = watch;
  try {
    await client.watch(registry.url, {
      timeout,
      cancel: watch.cancel,
      heard: () => void (watch.heardAt = now()),
      event: (event) => take(link, watch, event),
    });
    registry.listsOnly = true;
    return "none";
  } catch (error) {
    if (watch.live) return "broke";
    // That it is away altogether is told by the polls.
    if (link.isAway || signal.aborted) return "failed";
    registry.failedWatches += 1;
    if (registry.failedWatches === mostFailures) link.unwatched(registry.url, toReason(error));
    return registry.failedWatches === 1 ? "broke" : "failed";
  } finally {
    link.watch = undefined;
  }
}

/** Lets services go whose time is over, and a stream that is silent. */
export function lookAtWatch({ watch, table, now }: Link): void {
  if (watch === undefined) return;
  if (watch.live) table.sweep();
  if (now() - watch.heardAt > silence) watch.cancel.abort();
}

function take(link: Link, watch: Watch, { type, data, id }: StreamEvent): void {
  const { table, signal } = link;
  if (signal.aborted || watch.cancel.signal.aborted) return;
  const tag = id === undefined ? undefined : `W/"${id}"`;
  if (type === "sync") {
    // By the same name those who poll know the same state.
    if (tag === undefined || tag !== link.etag) syncWith(table, data);
    watch.live = true;
    watch.registry.failedWatches = 0;
    answered(link);
  } else if (!watch.live) return;
  else if (type === "upsert") table.upsert(parseJson(data));
  else if (type === "remove") table.remove(toName(data));
  else return;
  link.events += 1;
  link.etag = tag;
}

function syncWith(table: Table, data: string): void {
  const { services, epoch } = toFields(data);
  if (!Array.isArray(services)) throw new Error("its list has no services");
  table.sync(services, typeof epoch === "string" ? epoch : undefined);
}

function toName(data: string): string {
  const { name } = toFields(data);
  if (typeof name === "string") return name;
  throw new Error("it removed a service without a name");
}

function toFields(data: string): Readonly<Record<string, unknown>> {
  const value = parseJson(data);
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
