import { setTimeout as pause } from "node:timers/promises";
import { textOf } from "../../core/index.ts";
import type { ConsolaInstance } from "consola";
import type { Redis } from "ioredis";
import { type Answer, type Commands, createCommands, type Shown } from "./_registry-redis-commands.ts";
import { createIntake } from "./_registry-redis-intake.ts";
import { createLink } from "./_registry-redis-link.ts";
import type { Replica } from "./_registry-redis-replica.ts";
import { type Refusal, storeAway, type StoreEvents } from "./_registry-store.ts";

export interface FollowOptions {
  readonly client: Redis;
  readonly root: string;
  readonly now: () => number;
  readonly random: () => number;
  readonly log: Pick<ConsolaInstance, "warn">;
  readonly timeout: number;
  readonly interval: number;
}

/** A replica that follows Redis for as long as there is one, and keeps still while there is not. */
export interface Follow {
  readonly replica: Replica;
  readonly epoch: string;
  open(events: StoreEvents): Promise<void>;
  /** Takes in the answer before anything that Redis answered later. */
  write<T>(send: Send, take: (shown: Shown) => T): Promise<T | Refusal>;
  close(): Promise<void>;
}

export type Send = (commands: Commands, epoch: string) => Promise<Answer<Shown>>;

/** Looks that no process had at Redis, after which heartbeats count as lost. */
const missed = 3;

export function createFollow({ client, root, now, random, log, timeout, interval }: FollowOptions): Follow {
  const channel = `${root}changes`;
  const link = createLink({ client, channel, timeout, random, message: (text) => intake.message(text), lost });
  const commands = createCommands(link.commands, root, channel);
  const intake = createIntake({ commands, now, log, outage: interval * missed, events: () => events, lost });
  const closing = new AbortController();
  let events: StoreEvents | undefined;
  let away: Error | undefined = new Error("it has not been asked yet");
  /** Counted, so that what takes a while can tell that it was for nothing. */
  let losses = 0;
  let looking = false;
  let timer: NodeJS.Timeout | undefined;
  let closed: Promise<void> | undefined;

  function lost(reason: unknown): void {
    losses += 1;
    intake.stop();
    const known = away !== undefined;
    away = reason instanceof Error ? reason : new Error(String(reason));
    if (known || closing.signal.aborted) return;
    events?.stale(toAway(away));
    void recover();
  }

  async function sync(newcomer: boolean): Promise<void> {
    await link.ready(newcomer);
    const before = losses;
    await link.subscribe();
    await intake.sync(newcomer);
    if (losses !== before) throw away ?? new Error("it was lost again");
    away = undefined;
    if (!newcomer) events?.stale(undefined);
  }

  async function recover(): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted; attempt++) {
      try {
        return await sync(false);
      } catch (error) {
        intake.stop();
        if (!isReply(error)) link.renew();
        const ms = Math.min(50 * 2 ** Math.min(attempt, 5), 1_000) * (0.5 + random() / 2);
        await pause(ms, undefined, { signal: closing.signal, ref: false }).catch(() => {
          // It was closed, which the loop sees.
        });
      }
    }
  }

  async function look(): Promise<void> {
    if (away !== undefined || looking) return;
    const before = losses;
    looking = true;
    try {
      await intake.look(() => link.ping());
    } catch (error) {
      if (losses === before) lost(error);
    } finally {
      looking = false;
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    events = undefined;
    clearInterval(timer);
    lost(new Error("the store was closed"));
    await link.close();
  }

  return {
    replica: intake.replica,
    get epoch() {
      return intake.epoch;
    },
    async open(to) {
      try {
        await sync(true);
      } catch (error) {
        await (closed ??= close());
        throw toAway(error);
      }
      events = to;
      timer = setInterval(() => void look(), interval).unref();
    },
    async write(send, take) {
      if (away !== undefined) throw toAway(away);
      return send(commands, intake.epoch).then(
        (answer) => {
          if (answer[0] === "ok") return take(answer[1]);
          if (answer[0] !== "epoch") return answer[0];
          lost(new Error("it was emptied"));
          throw toAway(away);
        },
        (error: unknown) => {
          // What refuses, being out of memory, is there. Whether it takes anything at all, the next look will tell.
          if (!isReply(error)) lost(error);
          throw toAway(error);
        },
      );
    },
    close: () => (closed ??= close()),
  };
}

function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** Without its cause, which holds what was sent. */
function toAway(error: unknown): Error {
  return storeAway(`Redis is away: ${textOf(error)}`);
}
