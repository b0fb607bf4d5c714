import { randomUUID } from "node:crypto";
import type { ConsolaInstance } from "consola";
import { createAsks } from "./_registry-redis-asks.ts";
import type { Answer, Commands, Pulse, Shown } from "./_registry-redis-commands.ts";
import { createReplica, type Replica } from "./_registry-redis-replica.ts";
import type { StoreEvents } from "./_registry-store.ts";

export interface IntakeOptions {
  readonly commands: Commands;
  readonly now: () => number;
  readonly log: Pick<ConsolaInstance, "warn">;
  /** Milliseconds in which no process looked at Redis, after which heartbeats count as lost. */
  readonly outage: number;
  events(): StoreEvents | undefined;
  /** The replica can no longer be kept up to date as it is. */
  lost(reason: unknown): void;
}

/** A replica, and what brings it up to date and keeps it so. */
export interface Intake {
  readonly replica: Replica;
  /** Of the data in Redis that the replica is of. */
  readonly epoch: string;
  /** Reads everything, having put back what Redis lacks. A newcomer has nothing that it could put back. */
  sync(newcomer: boolean): Promise<void>;
  /** Somebody changed something. */
  message(text: string): void;
  /** Whether Redis is as it should be by now; `heard` resolves when all messages up to now have come. */
  look(heard: () => Promise<void>): Promise<void>;
  /** Nothing is asked or heard until the next `sync`. */
  stop(): void;
}

/** Services asked about at once: few enough to keep neither side busy for more than milliseconds. */
const chunk = 100;

export function createIntake({ commands, now, log, outage, events, lost }: IntakeOptions): Intake {
  const replica = createReplica({ now, events, ask: (name) => asks.add([name]) });
  const asks = createAsks({ chunk, ask, failed: lost });
  let origin: Omit<Pulse, "version"> = { epoch: "", outage: "" };
  /** What Redis says its epoch is, while the replica is brought up to date. */
  let joined = "";
  /** Of the last message. */
  let version = Infinity;
  /** The highest known: Redis is behind it if it came back with older data, or as a replica that had not got it all. */
  let latest = 0;

  function isForgetful(pulse: Pulse): boolean {
    return pulse.epoch !== origin.epoch || pulse.outage !== origin.outage || pulse.version < latest;
  }

  async function restore(): Promise<void> {
    const services = replica.restorable();
    let lacked = 0;
    for (let at = 0; at < services.length; at += chunk)
      lacked += accepted(await commands.restore(joined, services.slice(at, at + chunk)));
    if (lacked > 0)
      log.warn(`Redis had lost ${lacked} of the ${services.length} services known here, and has them again`);
  }

  function ask(wanted: ReadonlyMap<string, boolean>): Promise<void> {
    const names = [...wanted.keys()];
    const known = names.map((name) => [name, replica.version(name)] as const);
    // Taken in as directly as the answer to a write, so that neither overtakes the other.
    return commands.read(joined, known).then((answer) => {
      for (const [index, shown] of accepted(answer).entries()) {
        const name = names[index] as string;
        if (shown === 0) replica.drop(name, wanted.get(name) === true);
        else put(name, shown);
      }
    });
  }

  function put(name: string, shown: Shown): void {
    try {
      replica.put(name, shown);
    } catch (error) {
      log.warn(`A service in Redis cannot be read, and is left out: ${(error as Error).message}`);
    }
  }

  return {
    replica,
    get epoch() {
      return origin.epoch;
    },
    async sync(newcomer) {
      // The message of a change of one's own may have been lost with the connection.
      for (const name of replica.names()) latest = Math.max(latest, Number(replica.version(name)));
      const pulse = await commands.pulse(randomUUID(), outage, newcomer);
      // Later messages count from here on, earlier ones are in what is read now.
      ({ epoch: joined, version } = pulse);
      if (!newcomer && isForgetful(pulse)) await restore();
      if (joined !== origin.epoch) replica.doubt();
      const names = new Set(replica.names());
      for await (const found of commands.names()) for (const name of found) names.add(name);
      asks.add(names);
      await asks.done();
      origin = pulse;
      latest = Math.max(pulse.version, version);
    },
    message(text) {
      const [next, what, ...names] = parseMessage(text);
      if (next <= version) return;
      if (next !== version + 1) return lost(new Error("messages of it were lost"));
      version = latest = next;
      const own = (name: string): boolean => what === "set" && replica.version(name) === String(next);
      const news = names.filter((name) => !own(name));
      asks.add(news, what === "gone");
    },
    async look(heard) {
      const pulse = await commands.pulse(randomUUID(), outage, false);
      if (isForgetful(pulse)) throw new Error("it was emptied, or no process reached it for a while");
      await heard();
      if (version < pulse.version) throw new Error("messages of it were lost");
    },
    stop() {
      version = Infinity;
      asks.clear();
      replica.rest();
    },
  };
}

function accepted<T>(answer: Answer<T>): T {
  if (answer[0] !== "ok") throw new Error("it was emptied");
  return answer[1];
}

/** What is none counts as one that was lost. */
function parseMessage(text: string): [version: number, what: string, ...names: string[]] {
  try {
    return JSON.parse(text) as [number, string, ...string[]];
  } catch {
    return [NaN, ""];
  }
}
