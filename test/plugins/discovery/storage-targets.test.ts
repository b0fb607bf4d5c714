import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { createProxy } from "plugboard";
import { storageTargets } from "plugboard/plugins/discovery/storage-targets";
import { testDiscovery, testPlugin } from "plugboard/testing";
import { createStorage, type Driver, type Storage } from "unstorage";
import fsDriver from "unstorage/drivers/fs";
import memoryDriver from "unstorage/drivers/memory";
import { explainConfig } from "../../../core/explain/explain.ts";
import { eventually } from "../../e2e/eventually.ts";
import { faultsOf, idsOf, openConfig, openProxy } from "./opened.ts";

const directory = await mkdtemp(join(tmpdir(), "storage-targets-"));
afterAll(() => rm(directory, { recursive: true }));

const first = { id: "gpu-1", url: "http://127.0.0.1:1/v1", weight: 2, labels: { zone: "a" } };
const expected = [first, { url: "http://127.0.0.1:2" }, { url: "http://127.0.0.1:3" }];

async function fill(storage: Storage): Promise<Storage> {
  await storage.setItem("targets:a", first);
  await storage.setItem("targets:deep:b", "http://127.0.0.1:2");
  await storage.setItem("targets:c", ["http://127.0.0.1:3"]);
  await storage.setItem("targetsother", "no target");
  return storage;
}

/** Keeps all in memory, cannot watch, and fails on demand. */
interface Remote extends Driver {
  away: boolean | "silent";
  reads: number;
}

function remote(): Remote {
  const memory = memoryDriver();
  const answer = async <T>(what: T): Promise<Awaited<T>> => {
    if (driver.away === "silent") await new Promise(() => {});
    if (driver.away === true) throw new Error("connect ECONNREFUSED 127.0.0.1:6379");
    return await what;
  };
  const driver: Remote = {
    ...memory,
    away: false,
    reads: 0,
    // As if another process had written.
    watch: () => () => undefined,
    getKeys(base, options) {
      driver.reads += 1;
      return answer(memory.getKeys(base, options));
    },
    getItem: (key) => answer(memory.getItem(key)),
  };
  return driver;
}

describe("a storage that is read each interval", () => {
  let driver = remote();
  let storage = createStorage({ driver });
  testDiscovery({
    test,
    async create() {
      driver = remote();
      storage = await fill(createStorage({ driver }));
      return storageTargets({ storage, base: "targets", interval: 20 });
    },
    expected,
    async change() {
      await storage.removeItem("targets:a");
      await storage.setItem("targets:c", { targets: [{ url: "http://127.0.0.1:3", weight: 3 }] });
      await storage.setItem("targets:d", { url: "http://127.0.0.1:4" });
      return {
        expected: [
          { url: "http://127.0.0.1:2" },
          { url: "http://127.0.0.1:3", weight: 3 },
          { url: "http://127.0.0.1:4" },
        ],
      };
    },
    async empty() {
      for (const key of await storage.getKeys("targets")) await storage.removeItem(key);
      await storage.setItem("targets:none", []);
    },
    breakSource: () => void (driver.away = true),
    mend: () => void (driver.away = false),
    async asked() {
      const { reads } = driver;
      await eventually(() => expect(driver.reads).toBeGreaterThan(reads + 3));
    },
  });
});

describe("files that are watched", () => {
  let storage = createStorage();
  let folders = 0;
  testDiscovery({
    test,
    async create() {
      storage = await fill(createStorage({ driver: fsDriver({ base: join(directory, String(++folders)) }) }));
      return storageTargets({ storage, base: "targets", pool: "other", interval: 1e6 });
    },
    pool: "other",
    expected,
    async change() {
      await storage.setItem("targets:c", "http://127.0.0.1:5");
      return { expected: [first, { url: "http://127.0.0.1:2" }, { url: "http://127.0.0.1:5" }] };
    },
    empty: async () => {
      await storage.setItem("targets:a", []);
      await storage.removeItem("targets:deep:b");
      await storage.removeItem("targets:c");
    },
    breakSource: () => writeFile(join(directory, String(folders), "targets", "a"), '{"url": "http://127.'),
    mend: () => writeFile(join(directory, String(folders), "targets", "a"), JSON.stringify(first)),
  });
});

testPlugin({
  test,
  create: () => storageTargets({ storage: createStorage() }),
  badOptions: [
    { options: undefined, says: "storage: " },
    { options: { storage: "redis://127.0.0.1" }, says: "storage: Expected a storage of unstorage" },
    { options: { storage: memoryDriver() }, says: "storage: Expected a storage of unstorage, such as createStorage" },
    { options: { storage: createStorage(), base: "a/../b" }, says: "base: Expected what keys begin with" },
    { options: { storage: createStorage(), base: 7 }, says: "base: " },
    { options: { storage: createStorage(), interval: 0 }, says: "interval: Expected 1 or more" },
    { options: { storage: createStorage(), pool: "" }, says: "pool: Expected a word" },
  ],
});

describe("the base", () => {
  for (const base of ["targets", "targets:", "/targets/", "targets::"]) {
    test(`may be written ${base}`, async () => {
      const proxy = await openProxy(storageTargets({ storage: await fill(createStorage()), base }));
      expect(idsOf(proxy)).toHaveLength(3);
      await proxy.close();
    });
  }

  test("may be left out: then all keys are", async () => {
    const storage = createStorage();
    await storage.setItem("a", "http://127.0.0.1:1");
    const proxy = await openProxy(storageTargets({ storage }));
    await storage.setItem("b:c", "http://127.0.0.1:2");
    await eventually(() => expect(idsOf(proxy)).toHaveLength(2));
    await proxy.close();
  });
});

test("what is written elsewhere in a storage that tells of changes makes nobody read", async () => {
  const driver = remote();
  delete driver.watch;
  const storage = await fill(createStorage({ driver }));
  const proxy = await openProxy(storageTargets({ storage, base: "targets", interval: 1e6 }));
  await eventually(() => expect(driver.reads).toBe(2));
  await storage.setItem("counters:a", 1);
  await storage.setItem("targets:a", "http://127.0.0.1:9");
  await eventually(() => expect(idsOf(proxy)).toContain("http://127.0.0.1:9"));
  expect(driver.reads).toBe(3);
  await proxy.close();
});

test("a reload without the storage goes on with what is known", async () => {
  const driver = remote();
  const config = { plugins: [storageTargets({ storage: await fill(createStorage({ driver })), base: "targets" })] };
  const proxy = await openConfig(config);
  driver.away = true;
  await proxy.reload(config);
  expect(idsOf(proxy)).toHaveLength(3);
  expect(faultsOf(proxy)).toEqual(["connect ECONNREFUSED 127.0.0.1:6379"]);
  await proxy.close();
});

test("a storage that does not answer holds up the start for 5 seconds, and no longer", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const driver = remote();
  driver.away = "silent";
  const starting = openProxy(storageTargets({ storage: createStorage({ driver }) }));
  while (driver.reads === 0) await new Promise((resolve) => void setImmediate(resolve));
  await vi.advanceTimersByTimeAsync(5_000);
  const proxy = await starting;
  expect(faultsOf(proxy)).toEqual(["no answer within 5000 ms"]);
  vi.useRealTimers();
  await proxy.close();
});

test("a file that cannot be read keeps all targets", async () => {
  const base = await mkdtemp(join(directory, "loop-"));
  const storage = await fill(createStorage({ driver: fsDriver({ base }) }));
  const proxy = await openProxy(storageTargets({ storage, base: "targets", interval: 20 }));
  await rm(join(base, "targets", "a"));
  await symlink("a", join(base, "targets", "a"));
  await eventually(() => expect(faultsOf(proxy)[0]).toContain("ELOOP"));
  expect(idsOf(proxy)).toHaveLength(3);
  await proxy.close();
});

test("check, explain and a proxy of tests read nothing", async () => {
  const driver = remote();
  const config = { plugins: [storageTargets({ storage: await fill(createStorage({ driver })) })] };
  expect((await explainConfig(config, {})).candidates).toEqual([]);
  const proxy = await createProxy(config, { mode: "test" });
  await proxy.close();
  expect(driver.reads).toBe(0);
});
