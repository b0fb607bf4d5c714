import { definePlugin, type Plugin } from "plugboard";
import { describe, expect, test } from "vitest";
import type { Behaviour } from "../disaggregate/behaviour.ts";
import { chat, userOf } from "../disaggregate/chats.ts";
import type { EngineRoom } from "../disaggregate/engine-room.ts";
import {
  expectCounted,
  expectQuiet,
  hurtClients,
  mayBeLost,
  openProxied,
  type ProxiedStage,
} from "../disaggregate/proxied.ts";
import type { Worker } from "../disaggregate/worker.ts";
import { type Deferred, deferred } from "../wire/waiting.ts";
import { eventually } from "./eventually.ts";

/** When a client leaves; `between`: the first phase is over, and the second one has not begun. */
const leavings = ["never", "never", "never", "at once", "first phase", "between", "second phase", "stream"] as const;

/** Numbers from 0 to below 1, the same ones for each run. */
function chances(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
}

const requests = 200;

describe.each(["nixl", "sglang"] as const)("with %s", (protocol) => {
  test("200 clients, of which many leave, and workers that die and come back", { timeout: 20_000 }, async () => {
    const chance = chances(7);
    const leaving = new Map<string, AbortController>();
    const leave = (user: string): void => leaving.get(user)?.abort();
    const behaviour = (): Behaviour => ({ latency: chance() * 8, pace: chance() * 3 });
    const stage = await openProxied({ protocol, behaviour, plugins: [hold(leave)] });
    const { room, client, prefill, decode } = stage;
    room.watch(({ role, what }, { json }) => {
      const user = userOf(json);
      if (what === "arrived" && user.startsWith(role === "prefill" ? "first" : "second")) leave(user);
    });
    const killed = killInTurn(room, [decode[0]!, prefill[0]!, decode[2]!]);

    const users = Array.from({ length: requests }, (_, i) => `${leavings[i % leavings.length]} ${i}`);
    const texts = await Promise.all(
      users.map((user, i) => {
        const left = new AbortController();
        leaving.set(user, left);
        if (user.startsWith("at once")) setTimeout(() => left.abort(), chance() * 20);
        const onText = (text: string): void => {
          if (text === "D" && user.startsWith("stream")) left.abort();
        };
        return chat({ client, user, stream: i % 3 !== 0, left, onText });
      }),
    );
    const deaths = await killed;
    await expectQuiet(stage);

    expectServed(stage, users, texts);
    expect(deaths).toBe(3);
    await eventually(() => room.expectNoComplaints((lease) => mayBeLost(stage, lease)));
    expectReleased(room, users);
    expectCounted(stage);
  });

  test("each role has its own load, and only while its phase lasts", async () => {
    const gates = new Map<string, Deferred>([
      ["prefill", deferred()],
      ["decode", deferred()],
    ]);
    const stage = await openProxied({ protocol, behaviour: ({ role }) => ({ until: gates.get(role)!.promise }) });
    const { client, proxy, room } = stage;
    const load = (): number[] => proxy.pools()[0]!.snapshot.all.map(({ live }) => live.inflight);
    const texts = Promise.all(
      Array.from({ length: 6 }, (_, i) => chat({ client, user: `${i}`, stream: false, left: new AbortController() })),
    );
    await eventually(() => expect(load()).toEqual(protocol === "nixl" ? [3, 3, 0, 0, 0] : [3, 3, 2, 2, 2]));
    gates.get("prefill")?.resolve();
    await eventually(() => expect(load()).toEqual(protocol === "nixl" ? [0, 0, 2, 2, 2] : [3, 3, 2, 2, 2]));
    gates.get("decode")?.resolve();
    expect(await texts).toEqual(Array(6).fill("DDD"));
    await expectQuiet(stage);
    room.expectNoComplaints();
  });
});

test("a handle is released by the next decode worker when one is dead", async () => {
  const left = new AbortController();
  const stage = await openProxied({ protocol: "nixl", plugins: [hold(() => left.abort())] });
  const { client, decode, prefill, room } = stage;
  await Promise.all([decode[0]!.kill(), decode[1]!.kill()]);
  expect(await chat({ client, user: "between", stream: false, left })).toBeUndefined();
  await eventually(() => expect(room.leases.all).toMatchObject([{ state: "released" }]));
  await expectQuiet(stage);
  expect(prefill.map(({ received }) => received.length)).toEqual([1, 0]);
  room.expectNoComplaints();
});

/** Holds a client that leaves between the phases until it is gone, as a queue would. */
function hold(leave: (user: string) => void): Plugin {
  return definePlugin({
    name: "hold",
    setup: (proxy) => {
      proxy.needs({ body: "json" });
      return {
        admit: {
          after: ["disaggregate"],
          async handler(x) {
            const user = userOf(x.json());
            if (!user.startsWith("between")) return;
            leave(user);
            await eventually(() => expect(x.signal.aborted).toBe(true));
          },
        },
      };
    },
  })();
}

/** One after the other, each for as long as it takes ten more requests to arrive anywhere. */
function killInTurn(room: EngineRoom, workers: readonly Worker[]): Promise<number> {
  const deaths = workers.map(async (worker, i) => {
    await arrivals(room, 40 + 40 * i);
    await worker.kill();
    await arrivals(room, 50 + 40 * i);
    await worker.revive();
  });
  return Promise.all(deaths).then(({ length }) => length);
}

function arrivals(room: EngineRoom, count: number): Promise<void> {
  const there = deferred();
  let arrived = room.events.filter(({ what }) => what === "arrived").length;
  room.watch(({ what }) => {
    if (what === "arrived" && ++arrived === count) there.resolve();
  });
  return there.promise;
}

/** Who stayed has a whole answer, or an error because a worker died under it. */
function expectServed(stage: ProxiedStage, users: readonly string[], texts: readonly (string | undefined)[]): void {
  const hurt = [...hurtClients(stage)].map((client) => userOf(stage.room.clients.byId(client)?.json));
  const served = users.flatMap((user, i) => (user.startsWith("never") && !hurt.includes(user) ? [texts[i]] : []));
  expect(served.length).toBeGreaterThan(requests / 4);
  expect(new Set(served)).toEqual(new Set(["DDD"]));
}

/** Of those that left between the phases. */
function expectReleased(room: EngineRoom, users: readonly string[]): void {
  const between = users.filter((user) => user.startsWith("between")).length;
  const byClient = room.leases.all.filter(({ client }) =>
    userOf(room.clients.byId(client)?.json).startsWith("between"),
  );
  expect(byClient.filter(({ state }) => state !== "released" && state !== "void")).toEqual([]);
  if (room.leases.all.length > 0) expect(byClient.length).toBeGreaterThan(between / 2);
}
