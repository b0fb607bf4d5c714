import { createConsola } from "consola";
import { createRedisStore } from "plugboard/plugins/fleet/_registry-redis";
import { isStoreAway, type RegistryStore } from "plugboard/plugins/fleet/_registry-store";
import { describe, expect, onTestFinished } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { type RedisServer, startWay, testWithRedis as test, type Way } from "../../redis.ts";
import { names, newPrefix, now, type Opened, openStore, ownRedis, tell, passes, isPast } from "./registry-redis-rig.ts";
import { claim, registration } from "./registry-store-laws.ts";

describe("while Redis is away", () => {
  test("a store reads what it knows, refuses writes at once, and says so once", async () => {
    const server = await ownRedis({ durable: true });
    const { store, told } = await openStore(server);
    await store.register(registration("a"), claim());
    await server.kill();
    await eventually(() => expect(told).toHaveLength(2));
    expect(told[1]).toMatch(/^stale Redis is away: /);
    expect(store.get("a")?.until).toBeGreaterThan(now());
    const began = now();
    expect(await writes(store)).toEqual(Array.from({ length: 5 }, () => "away"));
    expect(now() - began).toBeLessThan(100);
    expect(names(store)).toEqual(["a"]);
    await store.close();
    expect(told).toHaveLength(2);
  });

  test("nothing lapses and nothing is forgotten, and afterwards there is a lease of grace", async () => {
    const server = await ownRedis({ durable: true });
    const { store, told } = await openStore(server, { interval: 100 });
    await store.register(registration("a", { lease: 300 }), claim());
    await store.register(registration("silent", { lease: 300, status: "running" }), claim());
    await server.kill();
    // Three leases, of which Redis cannot be asked.
    await isPast(now() + 1_000);
    expect(told.slice(0, 2)).toEqual(["+a", "+silent"]);
    expect(told.slice(3), "besides that it is stale").toEqual([]);
    expect(store.get("a")?.until).toBeGreaterThan(now());
    await server.restart();
    await eventually(() => expect(told).toContain("fresh"));
    const back = now();
    expect(told.slice(3)).toEqual(["fresh"]);
    expect(await store.heartbeat("a", undefined, claim())).toMatchObject({ name: "a" });
    await eventually(() => expect(told.slice(4)).toContain("+silent"));
    expect(now() - back).toBeGreaterThan(200);
  });

  test("one that hangs is given up soon, and is there again when it goes on", async () => {
    const server = await ownRedis();
    const { store, told } = await openStore(server, { interval: 60_000, timeout: 400 });
    await store.register(registration("a"), claim());
    server.hang();
    onTestFinished(() => server.resume());
    const began = now();
    expect(await outcome(store.heartbeat("a", undefined, claim()))).toBe("away");
    expect(now() - began).toBeLessThan(1_000);
    const again = now();
    expect(await outcome(store.heartbeat("a", undefined, claim()))).toBe("away");
    expect(now() - again).toBeLessThan(50);
    await isPast(now() + 1_000);
    expect(told).toEqual(["+a", "stale Redis is away: Command timed out"]);
    server.resume();
    await eventually(() => expect(told.at(-1)).toBe("fresh"));
    expect(await store.heartbeat("a", undefined, claim())).toMatchObject({ name: "a" });
    expect(told).toHaveLength(3);
  });

  test("one that hangs is noticed where nobody writes", async () => {
    const server = await ownRedis();
    const { store, told } = await openStore(server, { interval: 100, timeout: 400 });
    server.hang();
    onTestFinished(() => server.resume());
    await eventually(() => expect(told).toEqual(["stale Redis is away: Command timed out"]));
    await store.close();
  });

  test("a store does not open, and tells no password", async () => {
    const server = await ownRedis();
    const log = createConsola({ level: -999 });
    const fails = async (): Promise<Error> => {
      const client = server.client({ password: "a-secret" });
      const store = createRedisStore({ client, now, log, timeout: 300 });
      const error: unknown = await store.open(tell([])).catch((reason: unknown) => reason);
      expect(isStoreAway(error)).toBe(true);
      expect(JSON.stringify(error) + (error as Error).stack + String((error as Error).cause)).not.toContain("a-secret");
      return error as Error;
    };
    const admin = server.client();
    await admin.config("SET", "requirepass", "another-secret");
    expect((await fails()).message).toContain("WRONGPASS");
    server.hang();
    expect((await fails()).message).toContain("Command timed out");
    server.resume();
    await server.kill();
    expect((await fails()).message).toContain("ECONNREFUSED");
  });
});

describe("when Redis comes back", () => {
  test("with its data, all goes on as it was", async () => {
    const server = await ownRedis({ durable: true });
    const [one, two] = [await openStore(server), await openStore(server)];
    const { epoch } = one.store;
    await one.store.register(registration("a", { leaseId: "lease-of-a" }), claim("lease-of-a"));
    await eventually(() => expect(two.told).toEqual(["+a"]));
    await server.kill();
    await bothAre("stale", one, two);
    await server.restart();
    await bothAre("fresh", one, two);
    for (const { store, told } of [one, two]) {
      expect(told).toEqual(["+a", expect.stringContaining("stale"), "fresh"]);
      expect(store.epoch).toBe(epoch);
    }
    expect(await two.store.heartbeat("a", undefined, claim("lease-of-b", "10.0.0.9"))).toBe("taken");
    await two.store.update("a", { weight: 2 }, claim("lease-of-a"));
    await eventually(() => expect(one.store.get("a")?.weight).toBe(2));
  });

  test("without its data, the processes put back what they know and tell of nothing that is gone", async () => {
    const server = await ownRedis();
    const [one, two] = [await openStore(server), await openStore(server)];
    const { epoch } = one.store;
    const metadata = { models: [], deep: { a: [null, 1.5, "é"] } };
    await one.store.register(registration("a", { leaseId: "lease-of-a", metadata }), claim("lease-of-a"));
    await two.store.register(registration("b", { weight: 0.25 }), claim());
    await two.store.checked("b", "unhealthy", false);
    await eventually(() => expect(one.store.get("b")?.health).toBe("unhealthy"));
    await eventually(() => expect(two.told).toHaveLength(3));
    await server.kill();
    await bothAre("stale", one, two);
    await server.restart({ empty: true });
    await bothAre("fresh", one, two);
    expect(one.store.epoch).not.toBe(epoch);
    expect(two.store.epoch).toBe(one.store.epoch);
    const three = await openStore(server);
    expect(three.store.epoch).toBe(one.store.epoch);
    for (const { store, told } of [one, two, three]) {
      expect(told.slice(3).filter((word) => /^[-+]/.test(word))).toEqual([]);
      expect(store.get("a")?.metadata).toEqual(metadata);
      expect(store.get("b")).toMatchObject({ weight: 0.25, health: "unhealthy" });
    }
    expect(await three.store.heartbeat("a", undefined, claim("lease-of-b", "10.0.0.9"))).toBe("taken");
    expect(await three.store.heartbeat("a", undefined, claim("lease-of-a", "10.0.0.9"))).toMatchObject({ name: "a" });
  });

  test("with older data, the processes put back what it lacks", async () => {
    const server = await ownRedis();
    const { store, told } = await openStore(server);
    await store.register(registration("old"), claim());
    await server.client().save();
    await store.register(registration("young"), claim());
    await server.kill();
    await server.restart();
    await eventually(() => expect(told.at(-1)).toBe("fresh"));
    expect(told.filter((word) => word.startsWith("-"))).toEqual([]);
    expect(names((await openStore(server)).store)).toEqual(["old", "young"]);
  });

  test("emptied under way, it is filled again and says of no service that it is missing", async () => {
    const server = await ownRedis();
    const [one, two] = [await openStore(server), await openStore(server)];
    await Promise.all(Array.from({ length: 250 }, (_, i) => one.store.register(registration(`s${i}`), claim())));
    await eventually(() => expect(two.store.size).toBe(250));
    await server.client().flushall();
    expect(await outcome(two.store.heartbeat("s1", undefined, claim()))).toBe("away");
    await bothAre("fresh", one, two);
    for (const { store, told } of [one, two]) {
      expect(store.size).toBe(250);
      expect(told.filter((word) => word.startsWith("-"))).toEqual([]);
    }
    expect(await two.store.heartbeat("s1", undefined, claim())).toMatchObject({ name: "s1" });
    expect(two.store.epoch).toBe(one.store.epoch);
  });

  test("a process that is late does not put back what was deregistered meanwhile", async () => {
    const server = await ownRedis();
    const way = await openWay(server);
    const [one, late] = [
      await openStore(server, { interval: 100 }),
      await openStore(server, { redis: { port: way.port } }),
    ];
    for (const name of ["gone", "kept"]) await one.store.register(registration(name), claim());
    await eventually(() => expect(late.store.size).toBe(2));
    way.cut();
    await server.client().flushall();
    await eventually(() => expect(one.told.at(-1)).toBe("fresh"));
    await one.store.remove("gone", claim());
    way.mend();
    await eventually(() => expect(late.told.at(-1)).toBe("fresh"));
    expect(late.told.filter((word) => word.startsWith("-"))).toEqual(["-gone deregistered"]);
    expect(names(late.store)).toEqual(["kept"]);
    expect(names(one.store)).toEqual(["kept"]);
  });
});

describe("a process that alone is cut off", () => {
  test("believes the others when it is back, and puts nothing back", async () => {
    const server = await ownRedis();
    const way = await openWay(server);
    const prefix = newPrefix();
    const [one, cut] = [
      await openStore(server, { prefix }),
      await openStore(server, { prefix, redis: { port: way.port } }),
    ];
    await one.store.register(registration("gone"), claim());
    await one.store.register(registration("beating", { lease: 800 }), claim());
    await one.store.register(registration("silent", { lease: 200 }), claim());
    await eventually(() => expect(cut.store.size).toBe(3));
    way.cut();
    await eventually(() => expect(cut.told.at(-1)).toMatch(/^stale/));
    const beating = setInterval(() => void one.store.heartbeat("beating", undefined, claim()), 100);
    onTestFinished(() => clearInterval(beating));
    await passes(server, 1_000);
    await one.store.remove("gone", claim());
    await one.store.register(registration("new"), claim());
    expect(cut.told.slice(4)).toEqual([]);
    way.mend();
    await eventually(() => expect(cut.told.at(-1)).toBe("fresh"));
    expect(cut.told.slice(4).toSorted()).toEqual(["+new", "-gone deregistered", "-silent expired", "fresh"]);
    expect(names(one.store)).toEqual(["beating", "new"]);
    expect(cut.store.epoch).toBe(one.store.epoch);
  });
});

async function outcome(write: Promise<unknown>): Promise<unknown> {
  try {
    return await write;
  } catch (error) {
    return isStoreAway(error) ? "away" : error;
  }
}

function writes(store: RegistryStore): Promise<unknown[]> {
  return Promise.all([
    outcome(store.register(registration("b"), claim())),
    outcome(store.update("a", { port: 1 }, claim())),
    outcome(store.heartbeat("a", undefined, claim())),
    outcome(store.remove("a", claim())),
    outcome(store.checked("a", "healthy", true)),
  ]);
}

function bothAre(word: "stale" | "fresh", ...opened: Opened[]): Promise<void> {
  return eventually(() => {
    for (const { told } of opened) expect(told.at(-1)).toMatch(new RegExp(`^${word}`));
  });
}

async function openWay(server: RedisServer): Promise<Way> {
  const way = await startWay(server.port);
  onTestFinished(() => way.close());
  return way;
}
