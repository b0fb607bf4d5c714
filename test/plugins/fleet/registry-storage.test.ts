import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConsola } from "consola";
import { createProxy, definePlugin, type Proxy } from "plugboard";
import { registry, type RegistryOptions } from "plugboard/plugins/fleet/registry";
import { createStorage } from "unstorage";
import { expect, onTestFinished, test } from "vitest";
import { startRegistry, watch } from "./registry-rig.ts";

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "registry-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

function create(options: RegistryOptions, mode: "serve" | "test" | "check" = "serve"): Promise<Proxy> {
  return createProxy({ plugins: [registry(options)] }, { mode, log: createConsola({ level: -999 }) });
}

test.each(["file:", "file://"])("a registry on %s knows after a restart what it knew before", async (scheme) => {
  const storage = `${scheme}${await directory()}/state`;
  const before = await startRegistry({ storage });
  await before.register({ lease_id: "first-owner", metadata: { models: ["m"] } });
  const list = await before.call("GET", "/services");
  await before.proxy.close();
  const after = await startRegistry({ storage });
  const again = await after.call("GET", "/services");
  expect(again.body["services"]).toEqual(list.body["services"]);
  expect(again.headers.get("x-registry-epoch")).toBe(list.headers.get("x-registry-epoch"));
  expect((await after.register({ lease_id: "second-owner", port: 8002 })).status).toBe(409);
  expect((await after.call("POST", "/services/a/heartbeat", { lease_id: "first-owner" })).status).toBe(200);
});

test("a version of before a restart is no version of after it", async () => {
  const storage = `file:${await directory()}`;
  const before = await startRegistry({ storage });
  await before.register();
  const etag = (await before.call("GET", "/services")).headers.get("etag") ?? "";
  await before.proxy.close();
  const after = await startRegistry({ storage });
  await after.call("PUT", "/services/a", { port: 8002 });
  expect((await after.call("GET", "/services", undefined, { "if-none-match": etag })).status).toBe(200);
});

test("a registry in memory has another epoch after a restart", async () => {
  const epochs = new Set<string | null>();
  for (let run = 0; run < 2; run++) {
    const { call, proxy } = await startRegistry();
    epochs.add((await call("GET", "/services")).headers.get("x-registry-epoch"));
    await proxy.close();
  }
  expect(epochs.size).toBe(2);
});

test("a storage that was made elsewhere is used and not closed", async () => {
  const storage = createStorage();
  const before = await startRegistry({ storage });
  await before.register();
  await before.proxy.close();
  expect(await storage.getKeys("registry:services")).toHaveLength(1);
  const after = await startRegistry({ storage });
  expect((await after.call("GET", "/services")).body).toMatchObject({ total: 1 });
});

test("a storage that cannot be opened stops the start, and says why", async () => {
  const path = join(await directory(), "file");
  await writeFile(path, "");
  await expect(create({ storage: `file:${path}` })).rejects.toThrow(
    /plugin registry failed in onReady: the storage of the registry cannot be opened: ENOTDIR/,
  );
});

test("a Redis that is not there stops the start, and its password is told to nobody", async () => {
  const failed = await create({ storage: "redis://:canary@127.0.0.1:1" }).catch((error: unknown) => error as Error);
  expect(failed).toBeInstanceOf(Error);
  expect((failed as Error).message).toContain("the storage of the registry cannot be opened");
  expect((failed as Error).message).not.toContain("canary");
});

test.each(["test", "check"] as const)("nothing outside is touched in mode %s", async (mode) => {
  const path = join(await directory(), "state");
  const proxy = await create({ storage: `file:${path}` }, mode);
  const body =
    '{"name":"a","host":"127.0.0.1","port":1234,"hostname":"h","url":"http://127.0.0.1:8001","status":"running"}';
  const headers = { "content-type": "application/json" };
  await proxy.fetch(new Request("http://proxy/services", { method: "POST", headers, body }));
  await proxy.fetch(new Request("http://proxy/services/a/health"));
  await proxy.close();
  await expect(access(path)).rejects.toThrow("ENOENT");
});

test("a reload to another storage begins with what is there, and the old one is closed", async () => {
  const [one, two] = [`file:${await directory()}`, `file:${await directory()}`];
  const { register, proxy, call } = await startRegistry({ storage: one });
  await register();
  await proxy.reload({ plugins: [registry({ storage: two })] });
  expect((await call("GET", "/services")).body).toMatchObject({ total: 0 });
  await proxy.reload({ plugins: [registry({ storage: one })] });
  expect((await call("GET", "/services")).body).toMatchObject({ total: 1 });
});

test("a reload that is refused disturbs nothing", async () => {
  const { register, proxy, call, url } = await startRegistry({ storage: `file:${await directory()}` });
  await register();
  const watching = await watch(url);
  await watching.next();
  const broken = definePlugin({
    name: "broken",
    setup: (setup) => setup.onReady(() => Promise.reject(new Error("not today"))),
  });
  await expect(proxy.reload({ plugins: [registry({ storage: "memory" }), broken()] })).rejects.toThrow("not today");
  await proxy.explain({ path: "/services" });
  await call("PUT", "/services/a", { weight: 7 });
  expect(await watching.next()).toMatchObject({ event: "upsert", data: { weight: 7 } });
});

test("/health says that a storage fails, and what is told is in memory still", async () => {
  let full = false;
  const storage = createStorage();
  const { driver } = storage.getMount("");
  const set = driver.setItem?.bind(driver);
  driver.setItem = (key, value, options) => {
    if (full) throw new Error("ENOSPC");
    return set?.(key, value, options);
  };
  const { register, call } = await startRegistry({ storage });
  full = true;
  expect((await register()).status).toBe(201);
  expect((await call("GET", "/health")).body).toMatchObject({
    status: "degraded",
    storage: "stale",
    registered_services: 1,
  });
});
