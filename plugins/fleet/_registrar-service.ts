import { isDeepStrictEqual } from "node:util";
import type { ConsolaInstance } from "consola";
import type { RegistrationBody } from "./_registrar.ts";
import type { RegistryAnswer, RegistryClient } from "./_registrar-client.ts";
import { startDeadline } from "./_registrar-deadline.ts";
import { type Action, deregistration, requests } from "./_registrar-requests.ts";
import { explainRefusal, isRefusalOfContent } from "./_registrar-refusal.ts";

export interface ServiceTools {
  readonly client: RegistryClient;
  readonly withToken: boolean;
  /** Milliseconds. */
  readonly heartbeat: number;
  /** Seconds, as it is sent. */
  readonly lease: number;
  readonly log: ConsolaInstance;
  readonly random: () => number;
}

/** One service that is kept registered. */
export interface RegisteredService {
  change(wanted: RegistrationBody): void;
  /** No more of it, and what is under way is cut off. Resolves when that has ended. */
  end(): Promise<void>;
  /** Ends it and deregisters, within two seconds. Never rejects. */
  drop(): Promise<void>;
}

export interface ServiceStart {
  readonly leaseId: string;
  /** Nothing is sent before it has settled. */
  readonly after: Promise<void> | undefined;
}

interface Kept {
  readonly name: string;
  readonly leaseId: string;
  readonly cancel: AbortController;
  wanted: RegistrationBody;
  /** What the registry has; undefined: it has to be registered. */
  known: RegistrationBody | undefined;
  /** The registry may have heard of it. */
  sent: boolean;
  trouble: string | undefined;
  failures: number;
  changed: boolean;
  ending: boolean;
  /** Ends a pause. */
  wake(): void;
}

/** Milliseconds of a drop: for what is under way, and then for the DELETE. */
const settleWithin = 1_000;
const dropWithin = 900;

/** Milliseconds: the least pause after a failure, the most after the first one, and the most of all. */
const leastPause = 100;
const firstPause = 1_000;
const longestPause = 15_000;

/** Registers a service and keeps it alive. */
export function keepRegistered(
  wanted: RegistrationBody,
  { leaseId, after }: ServiceStart,
  tools: ServiceTools,
): RegisteredService {
  const kept = createKept(wanted, leaseId);
  const { cancel } = kept;
  const over = keep(kept, after, tools);
  const stop = (): void => {
    kept.ending = true;
    kept.wake();
  };
  return {
    change(next) {
      if (isDeepStrictEqual(next, kept.wanted)) return;
      kept.wanted = next;
      kept.changed = true;
      kept.wake();
    },
    end() {
      stop();
      cancel.abort();
      return over;
    },
    async drop() {
      stop();
      // A request that was cut off might reach the registry after the DELETE.
      const timer = setTimeout(() => cancel.abort(), settleWithin);
      await over;
      clearTimeout(timer);
      if (kept.sent) await deregister(kept, tools);
    },
  };
}

function createKept(wanted: RegistrationBody, leaseId: string): Kept {
  return {
    name: wanted.name,
    leaseId,
    cancel: new AbortController(),
    wanted,
    known: undefined,
    sent: false,
    trouble: undefined,
    failures: 0,
    changed: false,
    ending: false,
    wake() {},
  };
}

async function keep(kept: Kept, after: Promise<void> | undefined, tools: ServiceTools): Promise<void> {
  await after;
  while (!kept.ending) {
    kept.changed = false;
    await pause(kept, await step(kept, tools));
  }
}

/** One request; milliseconds until the next one. */
async function step(kept: Kept, tools: ServiceTools): Promise<number> {
  const { name, known, wanted, cancel } = kept;
  const action = known === undefined ? "register" : isDeepStrictEqual(known, wanted) ? "beat" : "change";
  kept.sent = true;
  const answer = await tools.client.send(requests[action](wanted, { ...kept, lease: tools.lease }), cancel.signal);
  if (cancel.signal.aborted) return 0;
  if (answer.status >= 200 && answer.status < 300) {
    kept.known = wanted;
    return succeeded(kept, action, answer, tools);
  }
  if (answer.status === 404 && action !== "register") {
    tools.log.info(`${name} is not known to ${answer.url} any more, registering it again`);
    kept.known = undefined;
    return 0;
  }
  if (action !== "change" || !isRefusalOfContent(answer.status)) return failed(kept, answer, tools);
  // Not again until it changes: meanwhile what the registry has must not lapse.
  kept.known = wanted;
  tools.log.error(explainRefusal(name, answer, tools.withToken));
  return tools.heartbeat;
}

function succeeded(kept: Kept, action: Action, { url }: RegistryAnswer, tools: ServiceTools): number {
  const { log, heartbeat, random } = tools;
  if (action === "register") log.info(`${kept.name} is registered with ${url}`);
  else if (kept.trouble !== undefined) log.info(`${kept.name} is heard by ${url} again`);
  kept.trouble = undefined;
  kept.failures = 0;
  return heartbeat * (0.9 + random() / 5);
}

function failed(kept: Kept, answer: RegistryAnswer, { heartbeat, log, random, withToken }: ServiceTools): number {
  const trouble = explainRefusal(kept.name, answer, withToken);
  if (trouble !== kept.trouble) log[answer.status === 0 || answer.status === 409 ? "warn" : "error"](trouble);
  kept.trouble = trouble;
  // Full jitter: those who lost their registry at once must not come back at once.
  const first = firstPause * 2 ** Math.min(kept.failures++, 10);
  return leastPause + random() * Math.min(first, longestPause, Math.max(firstPause, heartbeat / 2));
}

/** Until the time is over, or until there is something to do. */
function pause(kept: Kept, milliseconds: number): Promise<void> | undefined {
  if (kept.changed || kept.ending || milliseconds === 0) return undefined;
  return new Promise((resolve) => {
    const timer = setTimeout(() => kept.wake(), milliseconds);
    kept.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

async function deregister({ name, leaseId }: Kept, { client, log, lease }: ServiceTools): Promise<void> {
  const deadline = startDeadline(dropWithin, new AbortController().signal);
  const { status, reason } = await client.send(deregistration(name, leaseId), deadline.signal, dropWithin / 2);
  deadline.clear();
  if ((status >= 200 && status < 300) || status === 404) log.info(`${name} is deregistered`);
  else log.warn(`${name} could not be deregistered, and lapses within ${lease} s: ${reason}`);
}
