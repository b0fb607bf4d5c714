import { describe, expect, test } from "vitest";
import { definePlugin, type Reporter } from "plugboard";
import { coolDown } from "plugboard/plugins/health/cool-down";
import { outlierEjection } from "plugboard/plugins/health/outlier-ejection";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { testObserver, testPlugin } from "plugboard/testing";
import { admin } from "../../../plugins/admin/admin.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openAdmin, upstream } from "./rig.ts";

const token = "canary-0123456789abcdef";

describe("admin as a plugin", () =>
  testPlugin({
    test,
    create: () => admin({ path: "/_ops/admin", token }),
    badOptions: [
      { options: { path: "admin" }, says: "path: Expected a path such as /admin" },
      { options: { path: "/" }, says: "path: Expected a path" },
      { options: { path: "/:id" }, says: "path: Expected a path" },
      { options: { path: "/**" }, says: "path: Expected a path" },
      { options: { token: "too-short-0123" }, says: "token: a token is 16 characters or more" },
      { options: { token: "with a space in it" }, says: "token: Expected letters" },
      { options: { storage: "redis://127.0.0.1" }, says: "storage: Expected a storage of unstorage" },
    ],
  }));

describe("admin beside traffic", () =>
  testObserver({ test, create: () => admin(), pages: ["/admin/status", "/admin/config", "/admin"] }));

test("status tells of the proxy, its listeners, its pools and their targets", async () => {
  const one = await upstream("one");
  const { call, url, ask } = await openAdmin({
    targets: [
      { ...one, models: ["m"], labels: { zone: "x" }, weight: 3, meta: { key: "canary-of-a-meta" } },
      { id: "off", url: "http://127.0.0.1:9", enabled: false },
    ],
  });
  expect(await ask()).toBe("one");
  const { status, headers, body, text } = await call("/admin/status");
  expect(status).toBe(200);
  expect(headers).toMatchObject({ "cache-control": "no-store", "x-plugboard-admin": "1" });
  expect(headers).not.toHaveProperty("access-control-allow-origin");
  const time = expect.stringMatching(/^\d{4}-.*Z$/);
  expect(body).toEqual({
    generation: 1,
    active: 0,
    draining: false,
    startedAt: time,
    uptime: expect.any(Number),
    plugins: ["targets", "admin"],
    listeners: [{ name: "main", host: "127.0.0.1", port: expect.any(Number), url, state: "open" }],
    connections: { open: 1, most: expect.any(Number), dropped: 0 },
    reloadError: null,
    stale: [],
    pools: [
      {
        name: "default",
        available: 1,
        targets: [
          {
            id: "one",
            url: one.url,
            available: true,
            verdicts: [],
            weight: 3,
            models: ["m"],
            labels: { zone: "x" },
            inflight: 0,
            requests: 1,
            failures: 0,
            ttfb: expect.any(Number),
            lastFailure: null,
          },
        ],
        disabled: ["off"],
      },
    ],
    drained: [],
  });
  expect(text).not.toContain("canary");
});

test("status tells of each reporter why, since when, until when and for how many seconds more", async () => {
  let reporter: ((name: string) => Reporter) | undefined;
  const saying = definePlugin({
    name: "saying",
    setup(proxy) {
      const reporters = new Map(["one", "two"].map((name) => [name, proxy.reporter(name)]));
      reporter = (name) => reporters.get(name) as Reporter;
    },
  });
  const { call, pool } = await openAdmin({ targets: [{ id: "a", url: "http://127.0.0.1:9" }], plugins: [saying()] });
  const before = Date.now();
  reporter?.("one").down("a", "on fire");
  reporter?.("two").down("a", "asked for a pause", 60_000);
  await eventually(() => expect(pool().snapshot.available).toEqual([]));
  const { pools } = (await call("/admin/status")).body as { pools: { targets: { verdicts: object[] }[] }[] };
  const [one, two] = pools[0]!.targets[0]!.verdicts as { since: string; until: string; left: number }[];
  expect(one).toEqual({ reporter: "one", reason: "on fire", since: expect.any(String), until: null, left: null });
  expect(two).toMatchObject({ reporter: "two", reason: "asked for a pause" });
  expect(Date.parse(two!.until) - Date.parse(two!.since)).toBe(60_000);
  expect(Date.parse(one!.since)).toBeGreaterThanOrEqual(before);
  expect(two!.left).toBeGreaterThan(0);
  expect(two!.left).toBeLessThanOrEqual(60);
});

test("config is what runs, without secrets", async () => {
  const { call } = await openAdmin({
    admin: { token },
    plugins: [staticTargets({ targets: ["http://127.0.0.1:9"], pool: "b" })],
    config: { limits: { drain: 5 } },
  });
  const { status, body, text } = await call("/admin/config", { headers: { authorization: `Bearer ${token}` } });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    plugins: [
      { plugin: "targets" },
      { plugin: "admin", options: { token: "***" } },
      { plugin: "static-targets", options: { pool: "b" } },
    ],
    limits: { drain: 5 },
  });
  expect(text).not.toContain("canary");
});

describe("cool-downs", () => {
  const tired = () =>
    Promise.all(
      ["a", "b"].map((id) =>
        upstream(id, (_request, response) => void response.writeHead(429, { "retry-after": "60" }).end()),
      ),
    );

  test("are cleared of one target, then of all, and it tells how many each plugin forgot", async () => {
    const rig = await openAdmin({ targets: await tired(), plugins: [coolDown(), outlierEjection()] });
    for (const left of [1, 0]) {
      await rig.ask();
      await eventually(() => expect(rig.pool().snapshot.available).toHaveLength(left));
    }
    const clear = async (body?: unknown) => (await rig.post("/admin/cooldowns/clear", body)).body;
    expect(await clear({ target: "a" })).toEqual({ forgotten: { "cool-down": 1, "outlier-ejection": 0 } });
    await eventually(() => expect(rig.pool().snapshot.available).toHaveLength(1));
    expect(await clear()).toEqual({ forgotten: { "cool-down": 1, "outlier-ejection": 0 } });
    expect(await clear()).toEqual({ forgotten: { "cool-down": 0, "outlier-ejection": 0 } });
    expect(rig.proxy.lines.join("\n")).toContain("cool-downs of target a are cleared");
  });

  test("of a target that there is not are none, and no mistake goes unseen", async () => {
    const { post } = await openAdmin({ targets: await tired(), plugins: [coolDown()] });
    const { status, body } = await post("/admin/cooldowns/clear", { target: "c" });
    expect([status, body]).toMatchObject([404, { error: { message: expect.stringContaining("'c'") } }]);
  });

  test("of no plugin are none", async () => {
    const { post } = await openAdmin();
    expect((await post("/admin/cooldowns/clear")).body).toEqual({ forgotten: {} });
  });
});
