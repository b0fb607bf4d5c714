import { describe, expect, test } from "vitest";
import { storageTargets } from "plugboard/plugins/discovery/storage-targets";
import { createStorage, type Storage } from "unstorage";
import { eventually } from "../../e2e/eventually.ts";
import { faultsOf, idsOf, openProxy } from "./opened.ts";

async function fill(storage: Storage): Promise<Storage> {
  await storage.setItem("targets:a", "http://127.0.0.1:1");
  await storage.setItem("targets:deep:b", "http://127.0.0.1:2");
  await storage.setItem("targets:c", ["http://127.0.0.1:3"]);
  return storage;
}

describe("an item that is not valid", () => {
  const items: readonly (readonly [what: string, value: string, says: string])[] = [
    ["half written", '{"url": "http://127.', "this is no valid JSON"],
    ["empty", "", "this is empty; store [] for no targets"],
    ["a number", "7", "Invalid type: Expected Object, received 7"],
    ["no URL", "backend", "Expected a URL with its scheme, such as http://127.0.0.1:8001, received 'backend'"],
    ["misspelt", '{"url": "http://a", "wieght": 1}', 'wieght: unknown key; did you mean "weight"?'],
    ["a bad list", '["http://a", {"url": 1}]', "targets.1.url: Invalid type: Expected string, received 1"],
    ["taken", "http://127.0.0.1:2", 'the id "http://127.0.0.1:2" is taken by targets:a already'],
  ];
  for (const [what, value, says] of items) {
    test(`is refused by its key, and the others stay: ${what}`, async () => {
      const storage = createStorage();
      await storage.setItem("targets:a", "http://127.0.0.1:2");
      await storage.setItemRaw("targets:b", value);
      const proxy = await openProxy(storageTargets({ storage, base: "targets", interval: 20 }));
      expect(idsOf(proxy)).toEqual(["http://127.0.0.1:2"]);
      expect(faultsOf(proxy)).toEqual([`targets:b: ${says}`]);
      await storage.setItem("targets:b", "http://127.0.0.1:3");
      await eventually(() => expect(idsOf(proxy)).toEqual(["http://127.0.0.1:2", "http://127.0.0.1:3"]));
      expect(faultsOf(proxy)).toEqual([]);
      await proxy.close();
    });
  }

  test("keeps what it said before, while the others change", async () => {
    const storage = await fill(createStorage());
    const proxy = await openProxy(storageTargets({ storage, base: "targets", interval: 1e6 }));
    await storage.setItemRaw("targets:a", '{"url": "http://127.');
    await storage.setItem("targets:c", "http://127.0.0.1:4");
    await eventually(() =>
      expect(idsOf(proxy)).toEqual(["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:4"]),
    );
    expect(faultsOf(proxy)).toEqual(["targets:a: this is no valid JSON"]);
    await storage.removeItem("targets:a");
    await eventually(() => expect(idsOf(proxy)).toEqual(["http://127.0.0.1:2", "http://127.0.0.1:4"]));
    expect(faultsOf(proxy)).toEqual([]);
    await proxy.close();
  });

  test("is one of many: few are told", async () => {
    const storage = createStorage();
    for (let i = 100; i < 130; i++) await storage.setItem(`targets:${i}`, "backend");
    const proxy = await openProxy(storageTargets({ storage, base: "targets" }));
    expect(faultsOf(proxy)[0]?.split("\n")).toHaveLength(21);
    expect(faultsOf(proxy)[0]).toMatch(/and 10 more$/);
    await proxy.close();
  });
});

test("a storage that has lost all its keys keeps the targets, and tells how to remove them", async () => {
  const storage = await fill(createStorage());
  const proxy = await openProxy(storageTargets({ storage, base: "targets", interval: 20 }));
  await storage.clear();
  await eventually(() =>
    expect(faultsOf(proxy)).toEqual(['no key below "targets"; store [] under one of them if there are no targets']),
  );
  expect(idsOf(proxy)).toHaveLength(3);
  await proxy.close();
});

test("a storage that has no keys yet is no fault", async () => {
  const storage = createStorage();
  const proxy = await openProxy(storageTargets({ storage, base: "targets" }));
  expect([idsOf(proxy), faultsOf(proxy)]).toEqual([[], []]);
  await fill(storage);
  await eventually(() => expect(idsOf(proxy)).toHaveLength(3));
  await proxy.close();
});
