import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConsola } from "consola";
import { createFiles } from "plugboard/plugins/fleet/_registry-files";
import { createLocalStore } from "plugboard/plugins/fleet/_registry-local";
import type { RegistryStore, Service, StoreEvents } from "plugboard/plugins/fleet/_registry-store";
import { createStorage } from "unstorage";
import memory from "unstorage/drivers/memory";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { createFakeClock, type FakeClock } from "./registry-clock.ts";
import { claim, registration, type StoreRig, testRegistryStore } from "./registry-store-laws.ts";

const log = createConsola({ level: -999 });

describe("a store in memory", () => testRegistryStore({ test, create: createMemoryRig }));
describe("a store on files", () => testRegistryStore({ test, create: createFileRig, keeps: true }));
describe("a store on another storage", () => testRegistryStore({ test, create: createStorageRig, keeps: true }));

function createMemoryRig(): StoreRig {
  const clock = createFakeClock();
  return {
    ...clock,
    open: (events) => opened(createLocalStore({ ...clock, log }), events),
    close: () => Promise.resolve(),
  };
}

async function createFileRig(): Promise<StoreRig> {
  const clock = createFakeClock();
  const directory = await mkdtemp(join(tmpdir(), "registry-"));
  return {
    ...clock,
    open: (events) => {
      const storage = createStorage({ driver: createFiles(directory) });
      return opened(createLocalStore({ ...clock, alarm: clock.alarm, log, storage, disposes: true }), events);
    },
    close: () => rm(directory, { recursive: true }),
  };
}

function createStorageRig(): StoreRig {
  const clock = createFakeClock();
  const storage = createStorage();
  return {
    ...clock,
    open: (events) => opened(createLocalStore({ ...clock, log, storage }), events),
    close: () => storage.dispose(),
  };
}

const ignored: StoreEvents = { upserted() {}, removed() {}, stale() {} };

/** A directory, and stores on it that know what day it is. */
async function onDisk(): Promise<{
  readonly directory: string;
  readonly services: string;
  readonly clock: FakeClock;
  start(): Promise<RegistryStore>;
}> {
  const clock = createFakeClock();
  const directory = await mkdtemp(join(tmpdir(), "registry-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  return {
    directory,
    services: join(directory, "registry", "services"),
    clock,
    async start() {
      const storage = createStorage({ driver: createFiles(directory) });
      const store = createLocalStore({ ...clock, log, storage });
      await store.open(ignored);
      onTestFinished(() => store.close());
      return store;
    },
  };
}

test("a heartbeat that was answered is not forgotten by a process that is killed", async () => {
  const { clock, start } = await onDisk();
  const killed = await start();
  await killed.register(registration("a"), claim());
  // The last of them is so late that the one that is written must not be taken for it.
  for (const silence of [2_000, 2_400, 9_900, 2_400]) {
    await clock.pass(silence);
    await killed.heartbeat("a", undefined, claim());
  }
  const lastHeartbeat = clock.now();
  const { until } = (await start()).get("a") as Service;
  expect(until).toBeGreaterThanOrEqual(lastHeartbeat + 10_000);
  expect(until).toBeLessThanOrEqual(lastHeartbeat + 12_500);
});

test("heartbeats are written a few times in a lease, not each", async () => {
  const clock = createFakeClock();
  const storage = createStorage();
  const set = vi.spyOn(storage, "setItem");
  const store = createLocalStore({ ...clock, log, storage });
  await store.open(ignored);
  await store.register(registration("a", { lease: 120_000 }), claim());
  set.mockClear();
  for (let beat = 0; beat < 120; beat++) {
    await clock.pass(1_000);
    await store.heartbeat("a", undefined, claim());
  }
  expect(set.mock.calls.length).toBeLessThanOrEqual(4);
  await store.close();
});

test("what was killed in the middle of writing is found as it was before", async () => {
  const { services, start } = await onDisk();
  const killed = await start();
  await killed.register(registration("a"), claim());
  const [file = ""] = await readdir(services);
  await writeFile(join(services, `${file}.1-1.part`), '{"name":"a","ho');
  const again = await start();
  expect(again.epoch).toBe(killed.epoch);
  expect(again.size).toBe(1);
  expect(await readdir(services)).toEqual([file]);
});

test.each(["", "{", "[]", "null", '{"name":"a"}', '{"__proto__":{}}', "\u0000\u0001"])(
  "an item that holds %j is skipped, and the epoch says that something is missing",
  async (text) => {
    const { services, start } = await onDisk();
    const before = await start();
    await before.register(registration("a"), claim());
    const [file = ""] = await readdir(services);
    await before.register(registration("b"), claim());
    await before.close();
    await writeFile(join(services, file), text);
    const again = await start();
    expect([...again.all()].map(({ name }) => name)).toEqual(["b"]);
    expect(again.epoch).not.toBe(before.epoch);
    await again.close();
    await again.register(registration("c"), claim());
    expect((await start()).size).toBe(1);
  },
);

test("what expired while the registry was down is gone, from the disk too", async () => {
  const { services, clock, start } = await onDisk();
  const before = await start();
  await before.register(registration("short", { lease: 1_000 }), claim());
  await before.register(registration("long", { lease: 100_000 }), claim());
  await before.close();
  await clock.pass(20_000);
  const again = await start();
  expect([...again.all()].map(({ name }) => name)).toEqual(["long"]);
  await eventually(async () => expect(await readdir(services)).toHaveLength(1));
});

test("a clock that was set back makes no lease longer", async () => {
  const { clock, directory, start } = await onDisk();
  await (await start()).register(registration("a"), claim());
  const storage = createStorage({ driver: createFiles(directory) });
  const again = createLocalStore({ ...clock, wallClock: () => 0, log, storage });
  await again.open(ignored);
  expect(again.get("a")?.until).toBe(clock.now() + 12_500);
  await again.close();
});

test("a disk that fails is told once, loses nothing in memory, and is made up for", async () => {
  const clock = createFakeClock();
  const driver = memory();
  let full = false;
  const written: string[] = [];
  const storage = createStorage({
    driver: {
      ...driver,
      setItem(key: string, value: string) {
        if (full) throw new Error("ENOSPC: no space left on device");
        written.push(key);
        driver.setItem?.(key, value, {});
      },
    },
  });
  const told: (string | undefined)[] = [];
  const store = createLocalStore({ ...clock, log, storage });
  await store.open({ ...ignored, stale: (error) => void told.push(error?.message) });
  full = true;
  for (const name of ["a", "b"]) await store.register(registration(name), claim());
  expect(told).toEqual(["ENOSPC: no space left on device"]);
  expect(store.size).toBe(2);
  written.length = 0;
  full = false;
  await eventually(() => expect(told).toEqual(["ENOSPC: no space left on device", undefined]));
  expect(written).toHaveLength(2);
  await store.close();
});

test("a disk that does not answer holds nobody up for long", { timeout: 10_000 }, async () => {
  const clock = createFakeClock();
  const driver = memory();
  let hangs = false;
  let release = (): void => {};
  const storage = createStorage({
    driver: {
      ...driver,
      setItem: (key: string, value: string) =>
        hangs ? new Promise<void>((resolve) => (release = resolve)) : driver.setItem?.(key, value, {}),
    },
  });
  const told: (string | undefined)[] = [];
  const store = createLocalStore({ ...clock, log, storage });
  await store.open({ ...ignored, stale: (error) => void told.push(error?.message) });
  hangs = true;
  await store.register(registration("a"), claim());
  expect(told).toEqual(["no answer within 2000 ms"]);
  hangs = false;
  release();
  await eventually(() => expect(told).toEqual(["no answer within 2000 ms", undefined]));
  await store.close();
});

test("a directory that cannot be one is refused at once", async () => {
  const { directory } = await onDisk();
  await writeFile(join(directory, "file"), "");
  const storage = createStorage({ driver: createFiles(join(directory, "file")) });
  await expect(createLocalStore({ ...createFakeClock(), log, storage }).open(ignored)).rejects.toThrow("ENOTDIR");
});

test("only its user may read the files", async () => {
  const { services, start } = await onDisk();
  await (await start()).register(registration("a"), claim());
  const [file = ""] = await readdir(services);
  expect((await stat(join(services, file))).mode & 0o777).toBe(0o600);
  expect((await stat(services)).mode & 0o777).toBe(0o700);
});

test("ten thousand services that lapse at once are told then, except one that sent a heartbeat", async () => {
  const clock = createFakeClock();
  const told: string[] = [];
  const store = createLocalStore({ ...clock, log });
  await store.open({ ...ignored, upserted: ({ name }) => void told.push(name) });
  for (let i = 0; i < 10_000; i++) await store.register(registration(`s${i}`), claim());
  told.length = 0;
  await clock.pass(5_000);
  await store.heartbeat("s1", undefined, claim());
  await clock.pass(5_000);
  expect(told).toHaveLength(9_999);
  expect(told).not.toContain("s1");
  await store.close();
});

async function opened(store: RegistryStore, events: StoreEvents): Promise<RegistryStore> {
  await store.open(events);
  return store;
}
