import { expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { fine, freePort, many, one, scriptRegistry, startRegistrar } from "./registrar-rig.ts";

const beat = "POST /services/one/heartbeat";

test("a service is registered at once, and then kept alive by heartbeats", async () => {
  const registry = await scriptRegistry();
  const { registrar, said } = startRegistrar({ url: [registry.url] });
  registrar.set({ ...one, weight: 2 });
  await many(registry, beat, 3);
  expect(registry.lines.filter((line) => line === "POST /services")).toHaveLength(1);
  const [first, second] = registry.asked;
  expect(first?.body).toEqual({ ...one, weight: 2, lease: 10, lease_id: first?.headers["x-lease-id"] });
  expect(first?.headers["x-lease-id"]).toMatch(/^[\w-]{36}$/u);
  expect(second?.body).toEqual({ status: "running", lease_id: first?.headers["x-lease-id"] });
  expect(said).toEqual([`info: one is registered with ${registry.url}`]);
});

test("each name has a lease id of its own, which stays the same when it is dropped and set again", async () => {
  const registry = await scriptRegistry();
  const { registrar } = startRegistrar({ url: [registry.url], heartbeat: 10_000, lease: 4_200 });
  registrar.set(one);
  registrar.set({ ...one, name: "two" });
  await many(registry, "POST /services", 2);
  await registrar.drop("one");
  registrar.set(one);
  await many(registry, "POST /services", 3);
  const [first, second, third] = registry.asked.filter(({ method }) => method === "POST").map(({ body }) => body);
  expect(first).toMatchObject({ name: "one", lease: 5 });
  expect(second?.["lease_id"]).not.toBe(first?.["lease_id"]);
  expect(third?.["lease_id"]).toBe(first?.["lease_id"]);
});

test("what is not known any more is registered again at once, on a heartbeat as on a change", async () => {
  const registry = await scriptRegistry();
  const { registrar, said } = startRegistrar({ url: [registry.url] });
  registrar.set(one);
  await many(registry, beat, 1);
  let forgotten = true;
  registry.move = (asked) => {
    if (asked.path === "/services") forgotten = false;
    return forgotten ? 404 : fine(asked);
  };
  await many(registry, "POST /services", 2);
  forgotten = true;
  registrar.set({ ...one, status: "starting" });
  await eventually(() => expect(registry.asked.filter(({ path }) => path === "/services")).toHaveLength(3));
  expect(registry.asked.findLast(({ path }) => path === "/services")?.body).toMatchObject({ status: "starting" });
  expect(said).toContain(`info: one is not known to ${registry.url} any more, registering it again`);
});

test("changes are told at once and in order, the last of those that came meanwhile", async () => {
  const registry = await scriptRegistry();
  const { registrar } = startRegistrar({ url: [registry.url], heartbeat: 60_000 });
  registrar.set(one);
  await many(registry, "POST /services", 1);
  registrar.set({ ...one, status: "starting" });
  registrar.set({ ...one, status: "unready" });
  await many(registry, "PUT /services/one", 1);
  registrar.set({ ...one, status: "unready" });
  registrar.set({ ...one, metadata: { models: ["large"] }, weight: 3 });
  await many(registry, "PUT /services/one", 2);
  const told = registry.asked.map(({ body }) => [body?.["status"], body?.["weight"], body?.["metadata"]]);
  expect(told).toEqual([
    ["running", undefined, one.metadata],
    ["unready", undefined, one.metadata],
    ["running", 3, { models: ["large"] }],
  ]);
  expect(registry.asked.at(-1)?.body).not.toHaveProperty("name");
});

test("a registry that comes later is found, and trouble is told once", async () => {
  const port = await freePort();
  const { registrar, said } = startRegistrar({ url: [`http://127.0.0.1:${port}`] });
  registrar.set(one);
  await eventually(() => expect(said).toHaveLength(1));
  const registry = await scriptRegistry(
    ({ path }) => (registry.asked.length < 4 ? 503 : fine({ method: "POST", path })),
    port,
  );
  await many(registry, beat, 1);
  expect(said).toEqual([
    `warn: one does not reach its registry, trying again: http://127.0.0.1:${port}: ECONNREFUSED`,
    `warn: one does not reach its registry, trying again: http://127.0.0.1:${port}: status 503`,
    `info: one is registered with http://127.0.0.1:${port}`,
  ]);
});

test("heartbeats go on after trouble", async () => {
  const registry = await scriptRegistry();
  const { registrar, said } = startRegistrar({ url: [registry.url] });
  registrar.set(one);
  await many(registry, beat, 1);
  registry.move = () => "cut";
  await eventually(() => expect(said.at(-1)).toContain("UND_ERR_SOCKET"));
  registry.move = fine;
  await eventually(() => expect(said.at(-1)).toBe(`info: one is heard by ${registry.url} again`));
  expect(said).toHaveLength(3);
});

test("pauses grow with the failures, by chance", async () => {
  const at: number[] = [];
  const registry = await scriptRegistry(() => (at.push(performance.now()), 503));
  const { registrar } = startRegistrar({ url: [registry.url], heartbeat: 60_000, random: () => 0.05 });
  registrar.set(one);
  await many(registry, "POST /services", 4);
  const pauses = at.slice(1).map((time, index) => Math.ceil(time - (at[index] ?? 0)) + 5);
  expect(pauses[0]).toBeGreaterThanOrEqual(150);
  expect(pauses[1]).toBeGreaterThanOrEqual(200);
  expect(pauses[2]).toBeGreaterThanOrEqual(300);
});

test("of several registries the next is asked when one is away, fails or hangs, and the first again later", async () => {
  let time = 0;
  const [first, second] = [await scriptRegistry(() => 500), await scriptRegistry()];
  const away = `http://127.0.0.1:${await freePort()}`;
  const { registrar, said } = startRegistrar({ url: [away, first.url, second.url], now: () => time });
  registrar.set(one);
  await many(second, beat, 2);
  expect(first.lines).toHaveLength(1);
  expect(said).toEqual([`info: one is registered with ${second.url}`]);
  first.move = ({ path }) => (path === "/services" ? 201 : first.lines.length === 2 ? 404 : 200);
  time += 30_000;
  await many(first, "POST /services/one/heartbeat", 2);
  expect(first.lines.slice(0, 3)).toEqual(["POST /services", beat, "POST /services"]);
});

test("a name that is taken is told once, and asked for until it is free", async () => {
  const body = JSON.stringify({ error: "Service 'one' belongs\u2028to another\u001b[31m." });
  const registry = await scriptRegistry((asked) => (registry.asked.length < 4 ? { status: 409, body } : fine(asked)));
  const { registrar, said } = startRegistrar({ url: [registry.url] });
  registrar.set(one);
  await many(registry, beat, 1);
  expect(said).toEqual([
    `warn: ${registry.url} refuses one, trying again: Service 'one' belongs to another [31m.`,
    `info: one is registered with ${registry.url}`,
  ]);
});

test.each([
  [401, undefined, "it wants a token; set the registry's, as PLUGBOARD_REGISTRY_TOKEN"],
  [401, "secret-of-mine-1234", "it wants another token than the one it was sent; set the registry's"],
  [403, undefined, "add the address to the writers of the registry, or give both a token"],
  [422, undefined, "status 422"],
  [404, undefined, "check the URL"],
  [307, undefined, "redirects elsewhere, which is not followed"],
])("status %i with token %s is an error that names the fix", async (status, token, words) => {
  const other = await scriptRegistry();
  const registry = await scriptRegistry(() => ({ status, body: "{}", headers: { location: `${other.url}/services` } }));
  const { registrar, said } = startRegistrar({ url: [registry.url], token });
  registrar.set(one);
  await many(registry, "POST /services", 2);
  expect(said).toEqual([expect.stringMatching(/^error: /u)]);
  expect(said[0]).toContain(words);
  expect(said.join()).not.toContain("secret");
  expect(other.lines).toEqual([]);
});

test("a change that is refused is told once, and the heartbeats go on with what the registry has", async () => {
  const registry = await scriptRegistry((asked) => (asked.method === "PUT" ? 413 : fine(asked)));
  const { registrar, said } = startRegistrar({ url: [registry.url] });
  registrar.set(one);
  await many(registry, beat, 1);
  registrar.set({ ...one, metadata: { large: "x".repeat(1_000) } });
  await many(registry, "PUT /services/one", 1);
  await many(registry, beat, registry.lines.filter((line) => line === beat).length + 2);
  expect(registry.lines.filter((line) => line.startsWith("PUT"))).toHaveLength(1);
  expect(said.filter((line) => line.startsWith("error"))).toHaveLength(1);
});

test("the token is sent, below the path of the registry, and shown nowhere", async () => {
  const registry = await scriptRegistry(() => 503);
  const url = `${registry.url.replace("//", "//user:pass@")}/fleet/?key=hidden`;
  const { registrar, said } = startRegistrar({ url: [url], token: "secret-of-mine-1234" });
  registrar.set({ ...one, name: "a:b@c" });
  await eventually(() => expect(said).toHaveLength(1));
  expect(registry.asked[0]).toMatchObject({
    path: "/fleet/services",
    headers: { authorization: "Bearer secret-of-mine-1234", "content-type": "application/json" },
  });
  registry.move = fine;
  await many(registry, "POST /fleet/services/a%3Ab%40c/heartbeat", 1);
  expect(said.join()).not.toMatch(/secret|pass|hidden/u);
});
