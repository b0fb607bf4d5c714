import type { ServerResponse } from "node:http";
import { definePlugin } from "plugboard";
import { fakeTargets } from "plugboard/testing";
import { expect, test } from "vitest";
import type { Drain } from "../../../plugins/admin/_drain-storage.ts";
import { createDrains, type Drains } from "../../../plugins/admin/_drains.ts";
import { openProxy } from "../../core/open-proxy.ts";
import { eventually } from "../../e2e/eventually.ts";
import { asked, available, openAdmin, two, upstream } from "./rig.ts";

test("a drained target gets no new request until it is drained no longer", async () => {
  const rig = await openAdmin({ targets: await two() });
  expect(await asked(rig)).toEqual(["a", "b"]);
  const before = Date.now();
  const { status, body } = await rig.post("/admin/drain", { target: "a", reason: "new driver" });
  expect(status).toBe(200);
  expect(body).toEqual({
    target: "a",
    drained: true,
    reason: "new driver",
    since: expect.any(String),
    inflight: 0,
    others: [],
    pools: [{ name: "default", available: 1 }],
  });
  expect(Date.parse(String(body["since"]))).toBeGreaterThanOrEqual(before);
  expect(rig.pool().verdicts("a")).toMatchObject([
    { reporter: "admin", reason: "drained: new driver", until: Infinity },
  ]);
  expect(await asked(rig)).toEqual(["b"]);
  expect((await rig.call("/admin/status")).body).toMatchObject({ drained: [{ target: "a", reason: "new driver" }] });
  expect((await rig.post("/admin/undrain", { target: "a" })).body).toEqual({
    target: "a",
    drained: false,
    inflight: 0,
    others: [],
    pools: [{ name: "default", available: 2 }],
  });
  expect(await asked(rig)).toEqual(["a", "b"]);
  expect(rig.proxy.lines.filter((line) => line.includes("drained"))).toEqual([
    "info: target a is drained: new driver",
    "info: target a is drained no longer",
  ]);
});

test("what is under way on it ends as if nothing were, and the answer tells how much that is", async () => {
  const held: ServerResponse[] = [];
  const slow = await upstream("a", (_request, response) => {
    response.write("be");
    held.push(response);
  });
  const rig = await openAdmin({ targets: [slow] });
  const asks = [rig.ask(), rig.ask()];
  await eventually(() => expect(held).toHaveLength(2));
  expect((await rig.post("/admin/drain", { target: "a" })).body).toMatchObject({ inflight: 2 });
  expect((await rig.call("/")).status).toBe(503);
  for (const response of held) response.end("gun");
  expect(await Promise.all(asks)).toEqual(["begun", "begun"]);
  await eventually(() => expect(rig.pool().snapshot.all[0]?.live.inflight).toBe(0));
  expect((await rig.post("/admin/drain", { target: "a" })).body).toMatchObject({ inflight: 0 });
});

test("draining twice, and ending it twice, changes nothing but the reason that is given", async () => {
  const rig = await openAdmin({ targets: await two() });
  const first = (await rig.post("/admin/drain", { target: "a" })).body;
  expect(first).toMatchObject({ reason: null });
  expect(rig.pool().verdicts("a")).toMatchObject([{ reason: "drained by an operator" }]);
  expect((await rig.post("/admin/drain", { target: "a" })).body).toEqual(first);
  expect((await rig.post("/admin/drain", { target: "a", reason: "on fire" })).body).toEqual({
    ...first,
    reason: "on fire",
  });
  expect((await rig.post("/admin/drain", { target: "a" })).body).toEqual({ ...first, reason: "on fire" });
  expect(rig.pool().verdicts("a")).toMatchObject([{ reason: "drained: on fire" }]);
  for (let i = 0; i < 2; i++)
    expect(await rig.post("/admin/undrain", { target: "a" })).toMatchObject({ status: 200, body: { drained: false } });
  expect(rig.proxy.lines.filter((line) => line.includes("drained"))).toHaveLength(2);
});

test("what others say of a target stays, and the answer tells it", async () => {
  const saying = definePlugin({
    name: "saying",
    setup(proxy) {
      const reporter = proxy.reporter("suite");
      proxy.onReady(() => reporter.down("a", "no answer"));
    },
  });
  const rig = await openAdmin({ targets: await two(), plugins: [saying()] });
  await rig.post("/admin/drain", { target: "a" });
  expect((await rig.post("/admin/undrain", { target: "a" })).body).toMatchObject({
    drained: false,
    others: [{ reporter: "suite", reason: "no answer", until: null }],
    pools: [{ available: 1 }],
  });
  expect(available(rig)).toEqual(["b"]);
});

test("a target that is switched off can be drained before it is switched on", async () => {
  const off = { ...(await upstream("a")), enabled: false };
  const rig = await openAdmin({ targets: [off, await upstream("b")] });
  expect((await rig.post("/admin/drain", { target: "a" })).status).toBe(200);
  rig.replace([{ ...off, enabled: true }]);
  await eventually(() => expect(rig.pool().snapshot.all.map(({ id }) => id)).toEqual(["a"]));
  expect((await rig.call("/")).status).toBe(503);
});

test("a drain holds over reloads, also where something else changes", async () => {
  const rig = await openAdmin({ targets: await two() });
  await rig.post("/admin/drain", { target: "a", reason: "new driver" });
  const since = rig.pool().verdicts("a")[0]?.since;
  await rig.proxy.reload();
  expect(rig.pool().verdicts("a")).toEqual([
    { reporter: "admin", reason: "drained: new driver", since, until: Infinity },
  ]);
  expect(await asked(rig)).toEqual(["b"]);
  await rig.post("/admin/reload");
  expect(await asked(rig)).toEqual(["b"]);
  await rig.post("/admin/undrain", { target: "a" });
  expect(await asked(rig)).toEqual(["a", "b"]);
});

test("a drain ends with the plugin", async () => {
  const rig = await openAdmin({ targets: await two() });
  await rig.post("/admin/drain", { target: "a" });
  await rig.proxy.reload({ ...rig.config, plugins: rig.config.plugins.slice(0, 1) });
  expect(await asked(rig)).toEqual(["a", "b"]);
});

test("a target that leaves and comes back gets not one request", async () => {
  const targets = await two();
  const seen: string[][] = [];
  const watching = definePlugin({
    name: "watching",
    setup: () => ({ candidates: (_, list) => (seen.push(list.map(({ id }) => id)), list) }),
  });
  const rig = await openAdmin({ targets, plugins: [watching()] });
  await rig.post("/admin/drain", { target: "a" });
  rig.replace(targets.slice(1));
  await eventually(() => expect(rig.pool().snapshot.all).toHaveLength(1));
  expect((await rig.call("/admin/status")).body).toMatchObject({ drained: [{ target: "a" }] });
  const asks: Promise<unknown>[] = [];
  // The very moment in which the pool has it again, and no verdict yet.
  rig.pool().onChange(({ available: list }) => {
    if (list.length === 2) asks.push(rig.proxy.fetch(new Request("http://proxy/")).then((one) => one.text()));
  });
  rig.replace(targets);
  await eventually(() => expect(asks).toHaveLength(1));
  expect(await Promise.all(asks)).toEqual(["b"]);
  expect(seen.at(-1)).toEqual(["b"]);
  await eventually(() => expect(rig.pool().verdicts("a")).toMatchObject([{ reporter: "admin" }]));
  expect(await asked(rig)).toEqual(["b"]);
  rig.replace(targets.slice(1));
  await eventually(() => expect(rig.pool().snapshot.all).toHaveLength(1));
  expect(await rig.post("/admin/undrain", { target: "a" })).toMatchObject({ status: 200, body: { drained: false } });
  expect(await rig.post("/admin/undrain", { target: "a" })).toMatchObject({ status: 404 });
  rig.replace(targets);
  await eventually(() => expect(available(rig).toSorted()).toEqual(["a", "b"]));
});

test("lists are the same ones until what is drained changes, so that selectors keep what they derive", async () => {
  let made: Drains | undefined;
  const parts = definePlugin({
    name: "parts",
    setup(proxy) {
      made = createDrains(proxy, undefined);
    },
  });
  await openProxy({ plugins: [parts()] });
  const drains = made as Drains;
  const all = Object.freeze(fakeTargets(3));
  const [a, b] = all.map(({ id }) => ({ id, reason: undefined, since: 0 })) as [Drain, Drain];
  expect(drains.narrow(all)).toBe(all);
  await drains.begin(a);
  const first = drains.narrow(all);
  expect(first).toEqual(all.slice(1));
  expect(Object.isFrozen(first)).toBe(true);
  expect(drains.narrow(all)).toBe(first);
  expect(drains.narrow(first)).toBe(first);
  await drains.begin(b);
  expect(drains.narrow(all)).toEqual(all.slice(2));
  await drains.end(a.id);
  expect(drains.narrow(all).map(({ id }) => id)).not.toContain(b.id);
  await drains.end(b.id);
  expect(drains.narrow(all)).toBe(all);
});

test("explain says that a target is drained", async () => {
  const rig = await openAdmin({ targets: await two() });
  await rig.post("/admin/drain", { target: "a", reason: "new driver" });
  const { candidates, attempts } = await rig.proxy.explain({ path: "/" });
  expect(candidates).toMatchObject([
    { id: "a", kept: false, reason: "down by admin: drained: new driver" },
    { id: "b" },
  ]);
  expect(attempts).toEqual(["b"]);
});
