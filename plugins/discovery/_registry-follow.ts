import { setTimeout as sleep } from "node:timers/promises";
import { createLink, type Link, type LinkOptions } from "./_registry-link.ts";
import { createPoller, type Poller } from "./_registry-poll.ts";
import { lookAtWatch, watchRegistry } from "./_registry-watch.ts";

export interface RegistryFollowOptions extends LinkOptions {
  readonly watch: boolean;
}

const [shortest, longest] = [100, 5_000];

/** Follows a registry until the signal aborts; resolves after the first try. */
export async function followRegistry({ watch, ...options }: RegistryFollowOptions): Promise<void> {
  const link = createLink(options);
  const poller = createPoller(link);
  // Together they may take no longer than one.
  await poller.poll(options.timeout / options.urls.length);
  void look(link, poller);
  if (watch) void watchAgain(link, poller);
}

async function look(link: Link, poller: Poller): Promise<void> {
  for (await step(link); !link.signal.aborted; await step(link)) {
    lookAtWatch(link);
    poller.look();
  }
}

async function watchAgain(link: Link, poller: Poller): Promise<void> {
  const { signal, now, random, timeout } = link;
  let delay = shortest;
  while (!signal.aborted) {
    const begun = now();
    const end = await watchRegistry(link);
    // At once: the registry may be gone, and then it is to be known, or another to be asked.
    if (end === "broke" && !signal.aborted) void poller.poll(timeout);
    // One that ends as soon as it began must not fetch all services ten times a second.
    if (end === "broke" && now() - begun > 2 * longest) delay = shortest;
    if (end === "none") await step(link);
    else await pause(delay * (0.5 + random() / 2), signal);
    delay = end === "none" ? shortest : Math.min(delay * 2, longest);
  }
}

function step({ interval, random, signal }: Link): Promise<void> {
  return pause(Math.min(interval, longest) * (0.9 + 0.2 * random()), signal);
}

/** Ends at once when the signal aborts. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => {}); // Nothing is waited for any more.
}
