import { registry } from "plugboard/plugins/fleet/registry";
import { testPlugin } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { service, startRegistry } from "./registry-rig.ts";

describe("registry as a plugin", () =>
  testPlugin({
    test,
    create: () => registry({ prefix: "/registry" }),
    badOptions: [
      { options: { prefix: "registry" }, says: "prefix" },
      { options: { storage: "postgres://there" }, says: "storage" },
      { options: { token: "too short" }, says: "token" },
      { options: { writers: ["10.0.0.0/99"] }, says: "writers.0" },
      { options: { allow: ["everything"] }, says: "allow.0" },
      { options: { limits: { entries: 0 } }, says: "limits.entries" },
      { options: { lease: 1 }, says: "lease" },
    ],
  }));

const float = expect.toSatisfy((value: number) => Math.abs(value - Date.now() / 1_000) < 60);
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const entry = {
  ...service,
  timestamp: time,
  last_heartbeat: float,
  health_status: "unknown",
  is_healthy: true,
  metadata: {},
  weight: 1,
  lease: 120,
};

test("a service registers and is found", async () => {
  const { register, call } = await startRegistry();
  const made = await register();
  expect(made.status).toBe(201);
  expect(made.body).toEqual({
    message: "Service 'a' registered successfully",
    lease_id: expect.stringMatching(/^[\w-]{24}$/),
    service: entry,
  });
  expect((await call("GET", "/services/a")).body).toEqual(entry);
  expect((await call("GET", "/services")).body).toEqual({ services: [entry], total: 1, timestamp: time });
});

test("all that a service may say of itself is kept", async () => {
  const { register, call } = await startRegistry();
  const told = { metadata: { type: "openai-api", models: ["m"] }, weight: 2.5, lease: 30, timestamp: "of no account" };
  expect((await register({ ...told, lease_id: "chosen-by-me" })).body).toMatchObject({ lease_id: "chosen-by-me" });
  const { body } = await call("GET", "/services/a");
  expect(body).toEqual({ ...entry, metadata: told.metadata, weight: 2.5, lease: 30 });
  expect(JSON.stringify(body)).not.toContain("chosen-by-me");
});

test("PUT changes what it names, and counts as a heartbeat", async () => {
  const { register, call } = await startRegistry();
  await register({ metadata: { old: true } });
  const changed = await call("PUT", "/services/a", { port: 8002, metadata: { new: 1 }, weight: 0, name: "b" });
  expect(changed.status).toBe(200);
  const now = { ...entry, port: 8002, metadata: { new: 1 }, weight: 0 };
  expect(changed.body).toEqual({ message: "Service 'a' updated successfully", service: now });
  expect((await call("GET", "/services/a")).body).toEqual(now);
});

test("a heartbeat is taken with and without a body, and may tell a status", async () => {
  const { register, call, url } = await startRegistry();
  await register();
  expect((await call("POST", "/services/a/heartbeat")).body).toEqual({
    message: "Heartbeat received",
    timestamp: time,
  });
  expect((await call("POST", "/services/a/heartbeat", {})).status).toBe(200);
  const form = await fetch(`${url}/services/a/heartbeat`, { method: "POST", body: new URLSearchParams({ a: "b" }) });
  expect(form.status).toBe(200);
  await form.text();
  expect((await call("POST", "/services/a/heartbeat", { status: "loading" })).status).toBe(200);
  expect((await call("GET", "/services/a")).body).toMatchObject({ status: "loading", is_healthy: false });
});

test("DELETE takes a service out", async () => {
  const { register, call } = await startRegistry();
  await register();
  const gone = await call("DELETE", "/services/a");
  expect(gone).toMatchObject({ status: 200, body: { message: "Service 'a' unregistered successfully" } });
  expect((await call("GET", "/services/a")).status).toBe(404);
});

test.each([
  ["GET", "/services/a"],
  ["PUT", "/services/a"],
  ["DELETE", "/services/a"],
  ["POST", "/services/a/heartbeat"],
  ["GET", "/services/a/health"],
  ["GET", "/services/a%20b"],
  ["GET", "/services/__proto__"],
])("%s %s of nobody is 404", async (method, path) => {
  const { call } = await startRegistry();
  const { status, body } = await call(method, path, method === "PUT" ? { port: 1_234 } : undefined);
  expect(status).toBe(404);
  expect(body).toEqual({ error: expect.stringMatching(/^Service '.*' not found$/) });
});

test("a list is filtered by status and by health, as the original does it", async () => {
  const { register, call } = await startRegistry();
  await register({ name: "up" });
  await register({ name: "down", status: "stopped" });
  const names = async (query: string): Promise<unknown> => {
    const { services, total } = (await call("GET", `/services?${query}`)).body as {
      services: { name: string }[];
      total: number;
    };
    expect(total).toBe(services.length);
    return services.map(({ name }) => name);
  };
  expect(await names("")).toEqual(["up", "down"]);
  expect(await names("healthy=true")).toEqual(["up"]);
  expect(await names("healthy=TRUE")).toEqual(["up"]);
  expect(await names("healthy=1")).toEqual(["down"]);
  expect(await names("status=stopped")).toEqual(["down"]);
  expect(await names("status=stopped&healthy=true")).toEqual([]);
});

test("a list that did not change is 304; heartbeats change nothing", async () => {
  const { register, call } = await startRegistry();
  await register();
  const first = await call("GET", "/services");
  const etag = first.headers.get("etag") ?? "";
  const epoch = first.headers.get("x-registry-epoch") ?? "";
  expect(etag).toMatch(new RegExp(`^W/"${epoch}-\\d+"$`));
  await call("POST", "/services/a/heartbeat");
  const same = await call("GET", "/services", undefined, { "if-none-match": `"other", ${etag}` });
  expect(same.status).toBe(304);
  expect(same.headers.get("etag")).toBe(etag);
  await call("POST", "/services/a/heartbeat", { status: "loading" });
  const changed = await call("GET", "/services", undefined, { "if-none-match": etag });
  expect(changed.status).toBe(200);
  expect(changed.headers.get("etag")).not.toBe(etag);
});

test("a lease that lapsed and a service that was forgotten change the list", async () => {
  let now = 0;
  const { register, call } = await startRegistry({ now: () => now });
  await register({ lease: 10 });
  const etag = (await call("GET", "/services")).headers.get("etag") ?? "";
  now = 9_999;
  expect((await call("GET", "/services", undefined, { "if-none-match": etag })).status).toBe(304);
  now = 10_000;
  const lapsed = await call("GET", "/services", undefined, { "if-none-match": etag });
  expect(lapsed.body).toMatchObject({ services: [{ name: "a", is_healthy: false }] });
  now = 25_000;
  const gone = await call("GET", "/services", undefined, { "if-none-match": lapsed.headers.get("etag") ?? "" });
  expect(gone.body).toMatchObject({ services: [], total: 0 });
  expect((await call("POST", "/services/a/heartbeat")).status).toBe(404);
});

test("/health and /stats tell what the original told", async () => {
  const { register, call } = await startRegistry();
  await register({ name: "one" });
  await register({ name: "two", status: "stopped", host: "10.0.0.1" });
  expect((await call("GET", "/health")).body).toEqual({
    status: "healthy",
    registry: "running",
    registered_services: 2,
    healthy_services: 1,
    watchers: 0,
    storage: "current",
    timestamp: time,
  });
  expect((await call("GET", "/stats")).body).toEqual({
    total_services: 2,
    healthy_services: 1,
    unhealthy_services: 1,
    status_distribution: { running: 1, stopped: 1 },
    host_distribution: { "127.0.0.1": 1, "10.0.0.1": 1 },
    watchers: 0,
    uptime: expect.any(Number),
    timestamp: time,
  });
});

test("all paths may stand below a prefix", async () => {
  const { call } = await startRegistry({ prefix: "/registry" });
  expect((await call("POST", "/registry/services", service)).status).toBe(201);
  expect((await call("GET", "/registry/services/a")).status).toBe(200);
  expect((await call("GET", "/registry/health")).body).toMatchObject({ registered_services: 1 });
  expect((await call("GET", "/health")).status).not.toBe(200);
});

test("a request without a port is answered like any other", async () => {
  const { proxy } = await startRegistry();
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(service);
  const made = await proxy.fetch(new Request("http://proxy/services", { method: "POST", headers, body }));
  expect(made.status).toBe(201);
  expect(await (await proxy.fetch(new Request("http://proxy/services"))).json()).toMatchObject({ total: 1 });
});
