import { expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { fine, many, one, scriptRegistry, startRegistrar } from "./registrar-rig.ts";
import { startRegistry } from "./registry-rig.ts";

const beat = "POST /services/one/heartbeat";
const service = { ...one, host: "127.0.0.1", url: "http://127.0.0.1:8001" };

test("what is dropped is deregistered, and no heartbeat follows", async () => {
  const registry = await scriptRegistry();
  const { registrar, said } = startRegistrar({ url: [registry.url] });
  registrar.set(one);
  await many(registry, beat, 1);
  await Promise.all([registrar.drop("one"), registrar.drop("one"), registrar.drop("unknown")]);
  expect(registry.lines.at(-1)).toBe("DELETE /services/one");
  expect(registry.asked.at(-1)?.headers["x-lease-id"]).toBe(registry.asked[0]?.headers["x-lease-id"]);
  expect(said.at(-1)).toBe("info: one is deregistered");
  const count = registry.lines.length;
  registrar.set({ ...one, name: "two" });
  await many(registry, "POST /services/two/heartbeat", 2);
  expect(registry.lines.slice(count).filter((line) => line.includes("one"))).toEqual([]);
});

test("what is set during a drop is registered after it, and what was never sent is not deregistered", async () => {
  const registry = await scriptRegistry();
  const { registrar } = startRegistrar({ url: [registry.url], heartbeat: 60_000 });
  registrar.set(one);
  await many(registry, "POST /services", 1);
  const first = registrar.drop("one");
  registrar.set({ ...one, port: 8002 });
  const second = registrar.drop("one");
  registrar.set({ ...one, port: 8003 });
  await Promise.all([first, second]);
  await eventually(() => expect(registry.lines).toEqual(["POST /services", "DELETE /services/one", "POST /services"]));
  expect(registry.asked.at(-1)?.body).toMatchObject({ port: 8003 });
});

test("a drop ends within two seconds, whatever the registry does", async () => {
  const registry = await scriptRegistry(() => "hang");
  const { registrar, said } = startRegistrar({ url: [registry.url] });
  registrar.set(one);
  await many(registry, "POST /services", 1);
  const start = performance.now();
  await registrar.drop("one");
  expect(performance.now() - start).toBeLessThan(2_500);
  expect(registry.lines).toEqual(["POST /services", "DELETE /services/one"]);
  expect(said.at(-1)).toBe(
    `warn: one could not be deregistered, and lapses within 10 s: ${registry.url}: no answer in time`,
  );
});

test("the signal ends heartbeats, also in the middle of one; what is registered can still be dropped", async () => {
  const registry = await scriptRegistry((asked) => (asked.path.endsWith("heartbeat") ? "hang" : fine(asked)));
  const over = new AbortController();
  const { registrar } = startRegistrar({ url: [registry.url], signal: over.signal });
  registrar.set(one);
  await many(registry, beat, 1);
  over.abort();
  registrar.set({ ...one, name: "two" });
  await registrar.drop("one");
  expect(registry.lines).toEqual(["POST /services", beat, "DELETE /services/one"]);
});

test("close ends everything at once, twice too, and nothing is sent after it", async () => {
  const registry = await scriptRegistry((asked) => (asked.path.endsWith("heartbeat") ? "hang" : fine(asked)));
  const { registrar, said } = startRegistrar({ url: [registry.url] });
  registrar.set(one);
  await many(registry, beat, 1);
  await Promise.all([registrar.close(), registrar.close()]);
  registrar.set({ ...one, name: "two" });
  expect(registry.lines).toEqual(["POST /services", beat]);
  expect(said).toEqual([`info: one is registered with ${registry.url}`]);
});

test("it keeps a service in the registry of this project, with the token, its weight and its owner", async () => {
  const token = "0123456789abcdef";
  const registry = await startRegistry({ token });
  const { registrar } = startRegistrar({ url: [registry.url], token, lease: 2_000 });
  registrar.set({ ...service, weight: 2 });
  await eventually(async () => {
    const { body } = await registry.call("GET", "/services/one");
    expect(body).toMatchObject({ weight: 2, lease: 2, is_healthy: true, metadata: one.metadata });
  });
  registrar.set({ ...service, status: "unready" });
  await eventually(async () => {
    expect((await registry.call("GET", "/services/one")).body).toMatchObject({ status: "unready", is_healthy: false });
  });
  const theft = await registry.register(
    { name: "one", port: 8009, url: "http://127.0.0.1:8009" },
    { authorization: `Bearer ${token}` },
  );
  expect(theft.status).toBe(409);
  await registrar.drop("one");
  expect((await registry.call("GET", "/services/one")).status).toBe(404);
});
