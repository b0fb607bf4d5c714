import { createConsola } from "consola";
import { createRedisStore } from "plugboard/plugins/fleet/_registry-redis";
import { isStoreAway, type Service } from "plugboard/plugins/fleet/_registry-store";
import { createStorage } from "unstorage";
import redisDriver from "unstorage/drivers/redis";
import { describe, expect, onTestFinished } from "vitest";
import type { Redis } from "ioredis";
import { eventually } from "../../e2e/eventually.ts";
import { testWithRedis as test } from "../../redis.ts";
import { isService, names, newPrefix, now, openStore, shareRedis, tell, passes } from "./registry-redis-rig.ts";
import { claim, registration, type StoreRig, testRegistryStore } from "./registry-store-laws.ts";

const redis = shareRedis();
const log = createConsola({ level: -999 });

describe.concurrent("a store in Redis", () => {
  testRegistryStore({ test, create: createRedisRig, lease: 1_200, keeps: true, shared: true });
});

async function createRedisRig(): Promise<StoreRig> {
  const server = await redis();
  const prefix = newPrefix();
  return {
    now,
    async open(events) {
      const store = createRedisStore({ client: server.client(), now, log, prefix });
      await store.open(events);
      return store;
    },
    pass: (ms) => passes(server, ms),
    close: () => Promise.resolve(),
  };
}

describe("several processes", () => {
  test("give a name that several ask for at once to one of them", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const opened = await Promise.all(Array.from({ length: 3 }, () => openStore(server, { prefix })));
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => {
        const leaseId = `lease-of-${i}`;
        const theirs = registration("a", { leaseId, port: 8000 + i });
        return opened[i % 3]!.store.register(theirs, claim(leaseId, `10.0.0.${i}`));
      }),
    );
    const [winner, ...others] = answers.filter(isService);
    expect(others).toEqual([]);
    await eventually(() => {
      for (const { store, told } of opened) {
        expect(store.get("a")?.port).toBe(winner?.port);
        expect(told).toEqual(["+a"]);
      }
    });
  });

  test("know the same after a hundred changes at once", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const opened = await Promise.all(Array.from({ length: 3 }, () => openStore(server, { prefix })));
    const [one, two, three] = opened.map(({ store }) => store);
    await Promise.all(Array.from({ length: 30 }, (_, i) => one!.register(registration(`s${i}`), claim())));
    await Promise.all([
      ...Array.from({ length: 30 }, (_, i) => two!.update(`s${i}`, { weight: i }, claim())),
      ...Array.from({ length: 30 }, (_, i) => three!.heartbeat(`s${i}`, i % 2 === 0 ? "loading" : undefined, claim())),
      ...Array.from({ length: 10 }, (_, i) => one!.remove(`s${i}`, claim())),
    ]);
    await eventually(() => {
      const known = opened.map(({ store }) => JSON.stringify([...store.all()].map(lasting).toSorted()));
      expect(new Set(known).size).toBe(1);
      expect(names(one!)).toHaveLength(20);
      expect(three!.get("s20")).toMatchObject({ weight: 20, status: "loading" });
    });
    expect(opened.flatMap(({ told }) => told).filter((word) => word.startsWith("stale"))).toEqual([]);
  });

  test("keep to the limit exactly, and have room again when one left or is forgotten", async () => {
    const server = await redis();
    const options = { prefix: newPrefix(), limit: 10 };
    const stores = await Promise.all(Array.from({ length: 3 }, () => openStore(server, options)));
    const register = (i: number, lease = 10_000): Promise<unknown> =>
      stores[i % 3]!.store.register(registration(`s${i}`, { lease }), claim());
    await register(0, 200);
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => register(i + 1)));
    const accepted = answers.filter((answer): answer is Service => typeof answer === "object");
    expect(accepted).toHaveLength(9);
    expect(answers.filter((answer) => answer === "full")).toHaveLength(51);
    await stores[0]!.store.remove(accepted[0]!.name, claim());
    expect(await register(70)).toMatchObject({ name: "s70" });
    expect(await register(71)).toBe("full");
    await eventually(() => expect(stores[0]!.told).toContain("-s0 expired"));
    expect(await register(71)).toMatchObject({ name: "s71" });
    expect(await register(72)).toBe("full");
  });

  test("take heartbeats in turn without a lapse, and all tell when they end", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const opened = await Promise.all(Array.from({ length: 3 }, () => openStore(server, { prefix })));
    await opened[0]!.store.register(registration("a", { lease: 400 }), claim());
    for (let beat = 0; beat < 8; beat++) {
      await passes(server, 150);
      expect(await opened[beat % 3]!.store.heartbeat("a", undefined, claim())).toMatchObject({ name: "a" });
    }
    for (const { told } of opened) expect(told).toEqual(["+a"]);
    await eventually(() => {
      for (const { told } of opened) expect(told).toEqual(["+a", "+a", "-a expired"]);
    });
  });

  test("go by the clock of Redis, whatever their own say", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const start = now();
    const fast = await openStore(server, { prefix, now: () => 1e9 + (now() - start) * 5 });
    const slow = await openStore(server, { prefix, now: () => (now() - start) / 5 - 1e9 });
    await fast.store.register(registration("a", { leaseId: "lease-of-a", lease: 700 }), claim("lease-of-a"));
    await passes(server, 400);
    expect(fast.told).toEqual(["+a"]);
    expect(await fast.store.register(registration("a"), claim(undefined, "10.0.0.9"))).toBe("taken");
    await eventually(() => expect(fast.told).toEqual(["+a", "+a"]));
    expect(await slow.store.register(registration("a"), claim(undefined, "10.0.0.9"))).toMatchObject({ name: "a" });
  });

  test("catch up on what they missed when their connections broke", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const one = await openStore(server, { prefix });
    const two = await openStore(server, { prefix, redis: { connectionName: "two" } });
    await one.store.register(registration("gone"), claim());
    await one.store.register(registration("kept"), claim());
    await eventually(() => expect(two.told).toEqual(["+gone", "+kept"]));
    await killConnections(server.client(), "two");
    await one.store.register(registration("new"), claim());
    await one.store.remove("gone", claim());
    await eventually(() => expect(two.told.at(-1)).toBe("fresh"));
    expect(two.told.slice(2).toSorted()).toEqual([
      "+new",
      "-gone deregistered",
      "fresh",
      "stale Redis is away: it closed the connection",
    ]);
    expect(two.store.epoch).toBe(one.store.epoch);
    expect(one.told).toEqual(["+gone", "+kept", "+new", "-gone deregistered"]);
  });
});

describe("one process", () => {
  test("lets Redis forget by itself, where no process is left", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const { store } = await openStore(server, { prefix });
    await store.register(registration("a", { lease: 100 }), claim());
    await store.close();
    const client = server.client();
    expect(await client.keys(`{${prefix}}service:*`)).toHaveLength(1);
    await expect.poll(() => client.keys(`{${prefix}}service:*`)).toEqual([]);
  });

  test("begins a new epoch where services were forgotten while no process could hear their heartbeats", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const { store } = await openStore(server, { prefix, interval: 100 });
    await store.register(registration("a", { lease: 100 }), claim());
    await store.register(registration("b", { lease: 500 }), claim());
    await store.close();
    await passes(server, 600);
    const later = await openStore(server, { prefix, interval: 100 });
    expect(later.store.epoch).not.toBe(store.epoch);
    expect(names(later.store)).toEqual(["b"]);
    expect(later.store.get("b")!.until, "b has a lease of grace").toBeGreaterThan(now());
    await later.store.close();
    expect((await openStore(server, { prefix, interval: 100 })).store.epoch).toBe(later.store.epoch);
  });

  test("reads everything anew when a message was lost", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const { store, told } = await openStore(server, { prefix, interval: 100 });
    await store.register(registration("a"), claim());
    const client = server.client();
    await client.hset(`{${prefix}}service:a`, { host: "10.0.0.1", version: 7 });
    await client.hset(`{${prefix}}state`, "version", 7);
    await eventually(() => expect(told).toContain("fresh"));
    expect(told).toEqual(["+a", "stale Redis is away: messages of it were lost", "+a", "fresh"]);
    expect(store.get("a")?.host).toBe("10.0.0.1");
    await client.publish(`{${prefix}}changes`, "garbage");
    await eventually(() => expect(told.filter((word) => word === "fresh")).toHaveLength(2));
  });

  test("leaves out what no registry has written", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const client = server.client();
    await client.zadd(`{${prefix}}names`, Date.now() + 60_000, "odd");
    await client.hset(`{${prefix}}service:odd`, { beat: Date.now(), lease: 1000, version: 1, host: "10.0.0.1" });
    const warnings: unknown[] = [];
    const { store } = await openStore(server, {
      prefix,
      log: { warn: (text: unknown) => warnings.push(text) } as never,
    });
    expect(store.size).toBe(0);
    expect(warnings).toEqual([expect.stringContaining(`"odd" has no field "port"`)]);
  });

  test("reads thousands of services and lets others run meanwhile", async () => {
    const server = await redis();
    const prefix = newPrefix();
    const { store } = await openStore(server, { prefix });
    await Promise.all(Array.from({ length: 3_000 }, (_, i) => store.register(registration(`s${i}`), claim())));
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    onTestFinished(() => clearInterval(counting));
    const { store: another } = await openStore(server, { prefix });
    expect(another.size).toBe(3_000);
    expect(turns).toBeGreaterThan(10);
  });

  test("takes the client of unstorage's driver, and a key prefix with it", async () => {
    const server = await redis();
    const storage = createStorage({ driver: redisDriver({ port: server.port, keyPrefix: "ours:" }) });
    onTestFinished(() => storage.dispose());
    const client = storage.getMount("").driver.getInstance?.() as Redis;
    const told: string[] = [];
    const store = createRedisStore({ client, now, log, prefix: "driver:" });
    onTestFinished(() => store.close());
    await store.open(tell(told));
    await store.register(registration("a"), claim());
    expect((await server.client().keys("*ours:driver:*")).toSorted()).toEqual([
      "{ours:driver:}names",
      "{ours:driver:}service:a",
      "{ours:driver:}state",
    ]);
    await store.close();
    expect(await client.ping(), "the client is left as it was").toBe("PONG");
  });

  test("leaves no connection when it is closed, at whatever moment and however often", async () => {
    const server = await redis();
    const options = { prefix: newPrefix(), redis: { connectionName: "closing" } };
    const { store } = await openStore(server, options);
    await Promise.all([store.close(), store.close()]);
    const unopened = createRedisStore({ client: server.client(options.redis), now, log });
    await unopened.close();
    const opening = createRedisStore({ client: server.client(options.redis), now, log });
    const failed = opening.open(tell([])).catch((error: unknown) => error);
    await opening.close();
    expect(isStoreAway(await failed)).toBe(true);
    expect(await connections(server.client(), "closing")).toEqual([]);
    await expect(store.heartbeat("a", undefined, claim())).rejects.toThrow("the store was closed");
  });

  test("refuses a cluster", () => {
    const client = { isCluster: true } as unknown as Redis;
    expect(() => createRedisStore({ client, now, log })).toThrow("give a client of one server");
  });
});

async function connections(client: Redis, name: string): Promise<string[]> {
  const list = String(await client.client("LIST")).split("\n");
  return list.filter((line) => line.includes(` name=${name} `)).map((line) => /^id=(\d+)/.exec(line)?.[1] ?? "");
}

async function killConnections(client: Redis, name: string): Promise<void> {
  for (const id of await connections(client, name)) await client.client("KILL", "ID", id);
}

/** As a line that leaves out what each process knows for itself. */
function lasting(service: Service): string {
  return JSON.stringify({ ...service, until: 0, lastHeartbeat: 0 });
}
