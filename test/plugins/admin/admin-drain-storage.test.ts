import { createProxy } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { createStorage } from "unstorage";
import memoryDriver from "unstorage/drivers/memory";
import { describe, expect, onTestFinished, test } from "vitest";
import { admin } from "../../../plugins/admin/admin.ts";
import { asked, openAdmin, two } from "./rig.ts";

describe("with a storage", () => {
  test("a drain holds over a restart, until it is ended", async () => {
    const storage = createStorage({ driver: memoryDriver() });
    const targets = await two();
    const open = () => openAdmin({ admin: { storage }, targets });
    const first = await open();
    const drained = await first.post("/admin/drain", { target: "a", reason: "new driver" });
    expect(drained.body).toMatchObject({ stored: true });
    await first.proxy.close({ deadline: 0 });
    const second = await open();
    expect(second.pool().verdicts("a")).toMatchObject([{ reporter: "admin", reason: "drained: new driver" }]);
    expect(await asked(second)).toEqual(["b"]);
    expect((await second.call("/admin/status")).body["drained"]).toEqual([
      { target: "a", reason: "new driver", since: drained.body["since"] },
    ]);
    expect((await second.post("/admin/undrain", { target: "a" })).body).toMatchObject({ stored: true });
    await second.proxy.close({ deadline: 0 });
    expect(await asked(await open())).toEqual(["a", "b"]);
    expect(await storage.getKeys()).toEqual([]);
  });

  test("one that fails is told of, and the drain holds all the same", async () => {
    const gone = (): Promise<never> => Promise.reject(new Error("it is gone"));
    const storage = { ...createStorage({ driver: memoryDriver() }), getKeys: gone, setItem: gone, removeItem: gone };
    const rig = await openAdmin({ admin: { storage }, targets: await two() });
    expect(rig.proxy.lines.join("\n")).toMatch(/error: which targets were drained.*it is gone/u);
    expect((await rig.post("/admin/drain", { target: "a" })).body).toMatchObject({ drained: true, stored: false });
    expect(await asked(rig)).toEqual(["b"]);
    expect((await rig.post("/admin/undrain", { target: "a" })).body).toMatchObject({ drained: false, stored: false });
    expect(rig.proxy.lines.filter((line) => line.includes("not stored"))).toHaveLength(2);
  });

  test("what is in it besides does no harm and goes", async () => {
    const storage = createStorage({ driver: memoryDriver() });
    for (const [i, value] of ["rubbish", "{", '{"id":1}', '{"id":"a","reason":"x","since":"y"}'].entries())
      await storage.setItem(`admin:drains:${i}`, value);
    await storage.setItem("admin:other", "kept");
    const rig = await openAdmin({ admin: { storage }, targets: await two() });
    expect(await asked(rig)).toEqual(["a", "b"]);
    expect(await storage.getKeys()).toEqual(["admin:other"]);
  });

  test("nothing is read or written where nothing outside may be touched", async () => {
    const storage = createStorage({ driver: memoryDriver() });
    await storage.setItem("admin:drains:61", { id: "a", reason: "x", since: 1 });
    const targets = staticTargets({ targets: ["a", "b"].map((id) => ({ id, url: "http://127.0.0.1:9" })) });
    const proxy = await createProxy({ plugins: [targets, admin({ storage })] }, { mode: "test" });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    const body = JSON.stringify({ target: "b" });
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", headers, body };
    const drained = await proxy.fetch(new Request("http://localhost/admin/drain", init));
    expect(await drained.json()).toMatchObject({ drained: true, pools: [{ available: 1 }] });
    expect(await storage.getKeys()).toEqual(["admin:drains:61"]);
  });
});
