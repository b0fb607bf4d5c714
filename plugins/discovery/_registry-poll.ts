import { toReason } from "./_registry-client.ts";
import { answered, isLive, type Link, type Registry } from "./_registry-link.ts";

export interface Poller {
  /** Asks the registries in turn, unless that is under way; `limit` is for each, in milliseconds. Never rejects. */
  poll(limit: number): Promise<void>;
  /** Polls when the interval is over. */
  look(): void;
}

/** Milliseconds for which a registry that failed is asked last; then it is the first again, if it was. */
const avoidFor = 30_000;

export function createPoller(link: Link): Poller {
  const { interval, timeout, now, random } = link;
  let polling = false;
  let nextPoll = 0;

  async function poll(limit: number): Promise<void> {
    if (polling) return;
    polling = true;
    nextPoll = now() + interval * (0.9 + 0.2 * random());
    if (!(await pollInTurn(link, limit))) nextPoll = now();
    polling = false;
  }

  return {
    poll,
    // With a live stream there is nothing to ask, but of a registry that stands before that of the stream.
    look: () => void (now() >= nextPoll && poll(timeout)),
  };
}

/** False: what was answered is of no use any more. */
async function pollInTurn(link: Link, limit: number): Promise<boolean> {
  const { now, registries } = link;
  const failures = new Map<Registry, string>();
  for (const registry of inTurn(registries, now())) {
    if (isLive(link, registry)) return true;
    try {
      return await ask(link, registry, limit);
    } catch (error) {
      if (link.signal.aborted) return true;
      registry.failedAt = now();
      failures.set(registry, `${registry.url}: ${toReason(error)}`);
    }
  }
  // In the order of the options, so that the same trouble has the same words.
  const reasons = registries.map((registry) => failures.get(registry)).join("; ");
  link.isAway = true;
  link.away(new Error(`no registry answers, so the services last known stay (${reasons})`));
  return true;
}

async function ask(link: Link, registry: Registry, limit: number): Promise<boolean> {
  const { client, table, signal, etag, events } = link;
  const listing = await client.list(registry.url, etag, limit);
  if (signal.aborted) return true;
  // What a stream has told meanwhile is newer.
  if (events !== link.events) return isLive(link, registry);
  if (link.watch !== undefined && link.watch.registry !== registry) link.watch.cancel.abort();
  link.current = registry;
  if (listing !== undefined) {
    link.etag = listing.etag;
    if (listing.epoch !== undefined) registry.listsOnly = false;
    table.sync(listing.services, listing.epoch);
  }
  table.sweep();
  answered(link);
  return true;
}

/**
 * In the order of the options, those that failed lately last. Those who register come back to the first that answers, so
 * whoever stayed with another would see them leave.
 */
function inTurn(registries: readonly Registry[], now: number): readonly Registry[] {
  const failed = ({ failedAt }: Registry): number => (now - failedAt < avoidFor ? 1 : 0);
  return registries.toSorted((a, b) => failed(a) - failed(b));
}
