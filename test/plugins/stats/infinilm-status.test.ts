import type { TargetSpec } from "plugboard";
import { infinilmStatus } from "plugboard/plugins/stats/infinilm-status";
import { stats } from "plugboard/plugins/stats/stats";
import { testObserver, testPlugin } from "plugboard/testing";
import { expect, test, vi } from "vitest";
import { routed, spec, start, upstream } from "./started.ts";

const pages = ["/health", "/status", "/stats", "/services"];

testObserver({ test, create: () => infinilmStatus(), pages });

testPlugin({
  test,
  create: () => infinilmStatus({ registryUrl: "http://127.0.0.1:18000" }),
  badOptions: [
    { options: { registryUrl: "registry" }, says: "registryUrl: Expected a URL such as http://127.0.0.1:18000" },
    { options: { now: 1 }, says: "now: Expected a function that tells the time" },
    { options: { registryURL: "" }, says: 'did you mean "registryUrl"?' },
  ],
});

/** As from a registry, or from a file of services. */
const service: TargetSpec = {
  id: "one-server",
  url: "http://10.0.0.1:8001",
  weight: 2,
  models: ["qwen3-8b"],
  meta: {
    type: "openai-api",
    models: ["qwen3-8b"],
    zone: "a",
    service: { name: "One Server", host: "gpu-1", port: 8001 },
  },
};

test.each(["/health", "/status"])("%s is healthy with one service that is, and always 200", async (path) => {
  const plugins = [infinilmStatus({ registryUrl: "http://127.0.0.1:18000", now: () => 1_700_000_000_900 })];
  const { get, json, reporter } = await start(plugins, { default: [spec("a"), spec("b")] });
  reporter().down("a", "test");
  await vi.waitFor(async () => expect(await json(path)).toMatchObject({ healthy_services: "1/2" }));
  expect(await json(path)).toEqual({
    status: "healthy",
    router: "running",
    healthy_services: "1/2",
    registry_url: "http://127.0.0.1:18000",
    message: null,
    timestamp: 1_700_000_000,
    stale: [],
  });
  reporter().down("b", "test");
  await vi.waitFor(async () => expect(await json(path)).toMatchObject({ healthy_services: "0/2" }));
  expect((await get(path)).status).toBe(200);
  expect(await json(path)).toMatchObject({ status: "running", message: "No healthy services available" });
});

test("without a service it runs all the same, and without a registry that is null", async () => {
  const { json } = await start([infinilmStatus()], { default: [] });
  expect(await json("/health")).toMatchObject({ status: "running", healthy_services: "0/0", registry_url: null });
  expect(await json("/services")).toEqual({ services: [], total: 0, registry_url: null });
  expect(await json("/stats")).toEqual({
    total_services: 0,
    healthy_services: 0,
    registry_url: null,
    services: [],
  });
});

test("a service has the fields of the original, and who says that it is down", async () => {
  const { json, reporter } = await start([infinilmStatus()], { default: [service] });
  reporter().down("one-server", "no answer");
  await vi.waitFor(async () => expect(await json("/stats")).toMatchObject({ healthy_services: 0 }));
  const view = {
    name: "One Server",
    host: "gpu-1",
    port: 8001,
    url: "http://10.0.0.1:8001",
    babysitter_url: "http://gpu-1:8002",
    healthy: false,
    request_count: 0,
    error_count: 0,
    response_time: 0,
    weight: 2,
    models: ["qwen3-8b"],
    metadata: { type: "openai-api", models: ["qwen3-8b"], zone: "a" },
    verdicts: [{ reporter: "suite", reason: "no answer" }],
  };
  expect(await json("/services")).toEqual({ services: [view], total: 1, registry_url: null });
  expect(await json("/stats")).toMatchObject({ total_services: 1, services: [view] });
});

test("of a target that is no service the URL tells the rest, and nothing of its meta is shown", async () => {
  const targets = [
    { id: "a", url: "https://[::1]/v1", meta: { key: "canary" } },
    { id: "b", url: "http://localhost", meta: { service: "canary", key: "canary" } },
  ];
  const { get, json } = await start([infinilmStatus()], { default: targets });
  expect(await json("/services")).toMatchObject({
    services: [
      { name: "a", host: "::1", port: 443, url: "https://[::1]/v1", babysitter_url: "http://[::1]:444", metadata: {} },
      { name: "b", host: "localhost", port: 80, babysitter_url: "http://localhost:81", metadata: {} },
    ],
  });
  for (const page of pages) expect(await (await get(page)).text()).not.toContain("canary");
});

test("a target in two pools is one service", async () => {
  const { json } = await start([infinilmStatus()], { default: [spec("a")], second: [spec("a"), spec("b")] });
  expect(await json("/services")).toMatchObject({ total: 2, services: [{ name: "a" }, { name: "b" }] });
});

test("requests and their time are counted, in seconds", async () => {
  const url = await upstream({ body: "ok" });
  const { get, json } = await start([infinilmStatus(), routed()], { default: [{ id: "a", url }] });
  await (await get("/chat")).text();
  const { services } = await json("/services");
  const [one] = services as { request_count: number; error_count: number; response_time: number }[];
  expect(one).toMatchObject({ request_count: 1, error_count: 0 });
  expect(one?.response_time).toBeLessThan(5);
  expect(one?.response_time).toBeGreaterThanOrEqual(0);
});

test("credentials and query of the registry's URL are not shown", async () => {
  const registryUrl = "http://admin:canary@127.0.0.1:18000/base/?token=canary";
  const { get, json } = await start([infinilmStatus({ registryUrl })], { default: [] });
  for (const page of pages) {
    expect(await json(page)).toMatchObject({ registry_url: "http://127.0.0.1:18000/base/" });
    expect((await get(page)).headers.get("cache-control")).toBe("no-store");
  }
});

test("beside stats, which has the same paths, one of the two needs another", async () => {
  await expect(start([infinilmStatus(), stats()], { default: [] })).rejects.toThrow("/health");
  const { json } = await start([infinilmStatus(), stats({ prefix: "/_proxy" })], { default: [] });
  expect(await json("/_proxy/health")).toMatchObject({ status: "unhealthy" });
});
