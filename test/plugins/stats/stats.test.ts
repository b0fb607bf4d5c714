import { expect, test, vi } from "vitest";
import { definePlugin } from "plugboard";
import { stats } from "plugboard/plugins/stats/stats";
import { sse } from "plugboard/plugins/stream/sse";
import { testObserver, testPlugin } from "plugboard/testing";
import { routed, spec, start, upstream } from "./started.ts";

testObserver({ test, create: () => stats(), pages: ["/health", "/ready", "/stats", "/services"] });

testPlugin({
  test,
  create: () => stats({ prefix: "/_proxy" }),
  badOptions: [
    { options: { prefix: "proxy" }, says: "prefix: Expected a path such as /_proxy, or none" },
    { options: { prefix: "/proxy/" }, says: "prefix" },
    { options: { prefix: "/a?b" }, says: "prefix" },
    { options: { now: 1 }, says: "now: Expected a function that tells the time" },
    { options: { prefx: "" }, says: 'did you mean "prefix"?' },
  ],
});

test("/health is healthy, degraded or unhealthy, and always 200", async () => {
  const { json, reporter } = await start([stats()], { default: [spec("a"), spec("b")] });
  expect(await json("/health")).toMatchObject({
    status: "healthy",
    healthy: 2,
    total: 2,
    generation: 1,
    draining: false,
    reloadError: null,
    stale: [],
  });
  reporter().down("a", "test");
  await vi.waitFor(async () =>
    expect(await json("/health")).toMatchObject({ status: "degraded", healthy: 1, total: 2 }),
  );
  reporter().down("b", "test");
  await vi.waitFor(async () =>
    expect(await json("/health")).toMatchObject({ status: "unhealthy", healthy: 0, total: 2 }),
  );
});

test("/health counts a target in two pools once", async () => {
  const { json } = await start([stats()], { default: [spec("a")], second: [spec("a"), spec("b")] });
  expect(await json("/health")).toMatchObject({ healthy: 2, total: 2 });
});

test("/health tells of a reload that was refused until one is taken", async () => {
  const { json, proxy, config } = await start([stats()], { default: [spec("a")] });
  await expect(
    proxy.reload({
      plugins: [definePlugin({ name: "broken", setup: () => Promise.reject(new Error("no such file")) })()],
    }),
  ).rejects.toThrow();
  expect(await json("/health")).toMatchObject({
    status: "degraded",
    generation: 1,
    reloadError: expect.stringContaining("no such file"),
  });
  await proxy.reload(config);
  expect(await json("/health")).toMatchObject({ status: "healthy", generation: 2, reloadError: null });
});

test("/health tells of a source that failed", async () => {
  const failing = definePlugin({
    name: "failing",
    setup: (proxy) =>
      proxy.provide("discovery", "failing", { start: (sink) => sink.fail(new Error("the registry is gone")) }),
  });
  const { json } = await start([stats(), failing()], { default: [spec("a")] });
  expect(await json("/health")).toMatchObject({
    status: "degraded",
    stale: [{ pool: "default", error: expect.stringContaining("the registry is gone") }],
  });
});

test("/ready is 503 while a pool has no available target, and says which", async () => {
  const { get, json, reporter } = await start([stats()], { default: [spec("a")], second: [spec("b")] });
  expect((await get("/ready")).status).toBe(200);
  expect(await json("/ready")).toEqual({ ready: true, reasons: [] });
  reporter().down("b", "test");
  await vi.waitFor(async () => expect((await get("/ready")).status).toBe(503));
  expect(await json("/ready")).toEqual({ ready: false, reasons: ["pool second has no available target"] });
});

test("/ready is 503 while the proxy drains, /health stays 200", async () => {
  const { get, json, proxy } = await start([stats()], { default: [spec("a")] }, { limits: { drainDelay: 60_000 } });
  const closed = proxy.close();
  expect((await get("/ready")).status).toBe(503);
  expect(await json("/ready")).toEqual({ ready: false, reasons: ["draining"] });
  expect((await get("/health")).status).toBe(200);
  expect(await json("/health")).toMatchObject({ draining: true });
  await proxy.close();
  await closed;
});

test("/services holds each target with its verdicts, and nothing of its meta", async () => {
  const { get, json, reporter } = await start([stats()], {
    default: [
      {
        ...spec("a"),
        url: "http://127.0.0.1:9/v1",
        weight: 2,
        models: ["m"],
        labels: { zone: "x" },
        meta: { key: "canary" },
      },
    ],
  });
  reporter().down("a", "it said so", 60_000);
  await vi.waitFor(async () => expect(await json("/services")).toMatchObject({ services: [{ healthy: false }] }));
  expect(await json("/services")).toEqual({
    services: [
      {
        id: "a",
        pool: "default",
        url: "http://127.0.0.1:9/v1",
        healthy: false,
        verdicts: [
          {
            reporter: "suite",
            reason: "it said so",
            since: expect.stringMatching(/^\d{4}-.*Z$/),
            until: expect.stringMatching(/^\d{4}-.*Z$/),
            left: expect.any(Number),
          },
        ],
        weight: 2,
        models: ["m"],
        labels: { zone: "x" },
        inflight: 0,
        requests: 0,
        failures: 0,
        ttfb: 0,
        lastFailure: null,
      },
    ],
  });
  for (const page of ["/services", "/stats"]) expect(await (await get(page)).text()).not.toContain("canary");
});

test("/stats counts what passed, by kind, status, route, model and target", async () => {
  const usage = {
    "content-type": "text/event-stream",
    body: 'data: {"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n',
  };
  const url = await upstream(usage);
  const { get, stats: read } = await start([stats(), sse(), routed()], {
    default: [{ id: "a", url }],
    idle: [spec("b")],
  });
  for (const path of ["/chat", "/chat", "/nowhere"]) await get(path);
  expect(await read(3)).toMatchObject({
    generation: 1,
    requests: { kinds: { ok: 2 }, statuses: { "2xx": expect.any(Number), "4xx": 1, "5xx": 0 } },
    latency: { ttfb: { count: 2 }, duration: { count: 2 } },
    tokens: { promptTokens: 6, completionTokens: 8, totalTokens: 14 },
    bytes: { out: expect.any(Number) },
    routes: { "the route": { requests: 2, failures: 0, promptTokens: 6, completionTokens: 8 } },
    models: { fast: { requests: 2 } },
    targets: [
      { id: "a", pool: "default", healthy: true, requests: 2, failures: 0, inflight: 0 },
      { id: "b", pool: "idle", requests: 0 },
    ],
  });
});

test("/stats tells on which ports the proxy listens", async () => {
  const { json } = await start([stats()], { default: [spec("a")] });
  const open = { name: "main", host: "127.0.0.1", port: expect.any(Number), state: "open" };
  expect((await json("/stats")).listeners).toEqual([{ ...open, url: expect.stringContaining("http://127.0.0.1:") }]);
});

test("/stats goes on counting over a reload", async () => {
  let clock = Date.UTC(2000, 0, 1);
  const url = await upstream({ body: "ok" });
  const {
    get,
    json,
    proxy,
    config,
    stats: read,
  } = await start([stats({ now: () => clock }), routed()], { default: [{ id: "a", url }] });
  await get("/chat");
  expect(await read(1)).toMatchObject({
    since: "2000-01-01T00:00:00.000Z",
    routes: { "the route": { requests: 1 } },
    targets: [{ requests: 1 }],
  });
  clock += 1_000;
  await proxy.reload(config);
  expect(await json("/stats")).toMatchObject({
    since: "2000-01-01T00:00:00.000Z",
    generation: 2,
    routes: { "the route": { requests: 1 } },
    targets: [{ requests: 1 }],
  });
});

test("all pages may be put below a prefix, and are never stored", async () => {
  const { get } = await start([stats({ prefix: "/_proxy" })], { default: [] });
  for (const page of ["health", "stats", "services"]) {
    const response = await get(`/_proxy/${page}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(response.headers.get("cache-control")).toBe("no-store");
  }
  expect((await get("/_proxy/ready")).status).toBe(503);
  expect((await get("/health")).status).toBe(503);
});

test("a gate guards the pages like all else", async () => {
  const guard = definePlugin({ name: "guard", setup: () => ({ request: () => ({ status: 401 }) }) });
  const { get } = await start([guard(), stats()], { default: [spec("a")] });
  for (const page of ["/health", "/ready", "/stats", "/services"]) expect((await get(page)).status).toBe(401);
});
