import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { createClock, four, polled, startRig } from "./registry-rig.ts";
import { entry, stubRegistry } from "./stub-registry.ts";

const [a, b, c, d] = four;

describe.each([
  ["of this project", "e1"],
  ["that came before", null],
])("a registry %s", (_, epoch) => {
  test("keeps a service that it no longer lists for the grace period", async () => {
    const { registry, rig, pass } = await polled(epoch);
    registry.begin([a, b]);
    await pass(100);
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
    expect(rig.available()).toEqual(["a", "b", "c", "d"]);
    await pass(59_000);
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
    await pass(1_500);
    await eventually(() => expect(rig.ids()).toEqual(["a", "b"]));
  });

  test("starts the grace period anew for a service that was listed in between", async () => {
    const { registry, rig, pass } = await polled(epoch);
    registry.begin([a, b, c]);
    await pass(50_000);
    registry.begin([a, b, c, d]);
    await pass(100);
    registry.begin([a, b, c]);
    await pass(50_000);
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
    await pass(61_000);
    await eventually(() => expect(rig.ids()).toEqual(["a", "b", "c"]));
  });

  test("loses none at once when it lists none, and all after five minutes", async () => {
    const { registry, rig, pass } = await polled(epoch);
    registry.begin([]);
    await pass(100);
    await pass(299_000);
    expect(rig.available()).toEqual(["a", "b", "c", "d"]);
    await pass(1_500);
    await eventually(() => expect(rig.ids()).toEqual([]));
  });

  test("counts as empty when it lists only what is not looked for", async () => {
    const { registry, rig, pass } = await polled(epoch);
    registry.begin([entry("x", { metadata: { type: "vLLM" } })]);
    await pass(200_000);
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
  });

  test("that empties gives those more time that were missing already", async () => {
    const { registry, rig, pass } = await polled(epoch);
    registry.begin([a]);
    await pass(100);
    registry.begin([]);
    await pass(200_000);
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
  });

  test("loses none while it is away, however long, and is stale", async () => {
    const { registry, rig, clock, pass } = await polled(epoch);
    registry.begin([a]);
    await pass(100);
    await registry.kill();
    clock.pass(50);
    await eventually(() => expect(rig.proxy.status().stale).toHaveLength(1));
    clock.pass(100 * 3_600_000);
    await eventually(() => expect(rig.proxy.status().stale).toHaveLength(1));
    expect(rig.available()).toEqual(["a", "b", "c", "d"]);
    await registry.comeBack();
    await pass(100);
    await eventually(() => expect(rig.proxy.status().stale).toEqual([]));
    await eventually(() => expect(rig.ids()).toEqual(["a"]));
  });
});

describe("another epoch", () => {
  test("keeps what is missing for five minutes, as it was", async () => {
    const { registry, rig, pass } = await polled();
    registry.begin([a, b, c, entry("d", { is_healthy: false })]);
    await pass(100);
    expect(rig.available()).toEqual(["a", "b", "c"]);
    registry.begin([a, b], "e2");
    await pass(100);
    await pass(299_000);
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
    expect(rig.available()).toEqual(["a", "b", "c"]);
    await pass(1_500);
    await eventually(() => expect(rig.ids()).toEqual(["a", "b"]));
  });

  test("is that of a registry of this project where one without epochs was", async () => {
    const { registry, rig, pass } = await polled(null);
    registry.begin([a], "e1");
    await pass(100);
    await pass(200_000);
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
  });

  test("gives more time to what was missing before, and the usual to what goes later", async () => {
    const { registry, rig, pass } = await polled();
    registry.begin([a, b, c]);
    await pass(30_000);
    registry.begin([a, b, c], "e2");
    await pass(100);
    await pass(60_000);
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
    registry.begin([a, b]);
    await pass(100);
    await pass(61_000);
    await eventually(() => expect(rig.ids()).toEqual(["a", "b", "d"]));
  });

  test("may be told by a stream", async () => {
    const registry = await stubRegistry([a, b]);
    const clock = createClock();
    const { ids } = await startRig({ url: registry.url, now: clock.now });
    await eventually(() => expect(registry.watchers).toBe(1));
    await registry.kill();
    registry.begin([c], "e2");
    await registry.comeBack();
    await eventually(() => expect(ids()).toEqual(["a", "b", "c"]));
    await eventually(() => expect(registry.watchers).toBe(1));
    clock.pass(61_000);
    registry.put(d);
    await eventually(() => expect(ids()).toEqual(["a", "b", "c", "d"]));
    clock.pass(240_000);
    await eventually(() => expect(ids()).toEqual(["c", "d"]));
  });
});

test("a service that becomes something else leaves after the grace period", async () => {
  const registry = await stubRegistry([a, b]);
  const clock = createClock();
  const { ids } = await startRig({ url: registry.url, now: clock.now });
  await eventually(() => expect(registry.watchers).toBe(1));
  registry.put(entry("b", { metadata: { type: "vLLM" } }), c);
  await eventually(() => expect(ids()).toEqual(["a", "b", "c"]));
  clock.pass(60_000);
  await eventually(() => expect(ids()).toEqual(["a", "c"]));
});

test("targets of the config stay when the registry loses all of its own", async () => {
  const registry = await stubRegistry([a]);
  const clock = createClock();
  const own = () => [staticTargets({ targets: ["http://127.0.0.1:8/own"] })];
  const { ids } = await startRig({ url: registry.url, watch: false, now: clock.now, beside: own });
  registry.begin([]);
  clock.pass(20);
  await eventually(() => expect(registry.asked.length).toBeGreaterThan(1));
  await eventually(() => {
    clock.pass(100_000);
    expect(ids()).toEqual(["http://127.0.0.1:8/own"]);
  });
});
