import type { Redis } from "ioredis";
import { type Stored, toValues } from "./_registry-redis-record.ts";
import { scripts } from "./_registry-redis-scripts.ts";
import type { Claim, Refusal } from "./_registry-store.ts";

/** `beat` is the time of the last heartbeat by Redis's clock, `hash` what HGETALL says unless the caller has this version. */
export type Shown = readonly [age: number, beat: number, version: string, hash?: readonly string[]];

/** `epoch`: Redis is not the one that the caller knows. */
export type Answer<T> = readonly ["ok", T] | readonly [Refusal | "epoch"];

export interface Pulse {
  readonly epoch: string;
  readonly version: number;
  /** Names the last outage, in which heartbeats may have been lost; empty: there was none. */
  readonly outage: string;
}

export interface Change {
  readonly name: string;
  /** Undefined: it is not asked who the writer is. */
  readonly claim: Claim | undefined;
  readonly known: string;
  readonly beats: boolean;
  /** Fields and values in turn. */
  readonly pairs: readonly string[];
}

export interface Restored {
  readonly stored: Stored;
  /** Milliseconds since its last heartbeat. */
  readonly age: number;
}

/** What is asked of Redis, each with the epoch that the caller knows. */
export interface Commands {
  register(epoch: string, stored: Stored, claim: Claim, limit: number): Promise<Answer<Shown>>;
  change(epoch: string, change: Change): Promise<Answer<Shown>>;
  remove(epoch: string, name: string, claim: Claim): Promise<Answer<Shown>>;
  /** In the order of the names; 0: it is gone. */
  read(epoch: string, wanted: readonly (readonly [name: string, known: string])[]): Promise<Answer<(Shown | 0)[]>>;
  restore(epoch: string, services: readonly Restored[]): Promise<Answer<number>>;
  pulse(candidate: string, outage: number, newcomer: boolean): Promise<Pulse>;
  /** All names there may be, some more than once. */
  names(): AsyncIterable<string[]>;
}

type Script = (keys: number, ...rest: (string | number)[]) => Promise<unknown>;

export function createCommands(client: Redis, root: string, channel: string): Commands {
  const state = `${root}state`;
  const names = `${root}names`;
  const service = (name: string): string => `${root}service:${name}`;
  const mark = (name: string): string => `${root}gone:${name}`;
  for (const [name, lua] of Object.entries(scripts)) client.defineCommand(`plugboard:${name}`, { lua });

  function run<T>(
    script: keyof typeof scripts,
    keys: readonly string[],
    rest: readonly (string | number)[],
  ): Promise<T> {
    const command = (client as unknown as Record<string, Script>)[`plugboard:${script}`] as Script;
    return command.call(client, keys.length + 2, state, names, ...keys, ...rest) as Promise<T>;
  }

  const shown = ({ lease, peer }: Claim): string[] => [lease ?? "", peer];

  return {
    register(epoch, stored, claim, limit) {
      const rest = [stored.name, ...shown(claim), limit, ...toValues(stored)];
      return run("register", [service(stored.name)], [epoch, channel, ...rest]);
    },
    change(epoch, { name, claim, known, beats, pairs }) {
      const rights = claim === undefined ? ["", "", known, "1"] : [...shown(claim), known, "0"];
      return run("change", [service(name)], [epoch, channel, name, ...rights, beats ? "1" : "0", ...pairs]);
    },
    remove: (epoch, name, claim) => run("remove", [service(name), mark(name)], [epoch, channel, name, ...shown(claim)]),
    read(epoch, wanted) {
      const keys = wanted.map(([name]) => service(name));
      return run("read", keys, [epoch, channel, ...wanted.flat()]);
    },
    restore(epoch, services) {
      const keys = services.flatMap(({ stored: { name } }) => [service(name), mark(name)]);
      const rest = services.flatMap(({ stored, age }) => [stored.name, Math.ceil(age), ...toValues(stored)]);
      return run("restore", keys, [epoch, channel, ...rest]);
    },
    async pulse(candidate, outage, newcomer) {
      const answer = await run<[string, number, string]>("pulse", [], [candidate, outage, newcomer ? "1" : "0"]);
      const [epoch, version, last] = answer;
      return { epoch, version, outage: last };
    },
    async *names() {
      let cursor = "0";
      do {
        const [next, found] = await client.zscan(names, cursor, "COUNT", 500);
        cursor = next;
        yield found.filter((_, index) => index % 2 === 0);
      } while (cursor !== "0");
    },
  };
}
