import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { registryTargets, type RegistryTargetsOptions } from "plugboard/plugins/discovery/registry-targets";
import { activeHealth } from "plugboard/plugins/health/active-health";
import { discoveryOf, fakeSink, testDiscovery, testPlugin } from "plugboard/testing";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { within } from "../../wire/waiting.ts";
import { upstream } from "../health/started.ts";
import { startRig } from "./registry-rig.ts";
import { entry, openStubRegistry, stubRegistry, type StubRegistry } from "./stub-registry.ts";

const nowhere = "http://127.0.0.1:9";
const word = "Expected a URL such as http://127.0.0.1:18000";

testPlugin({
  test,
  create: () => registryTargets({ url: nowhere, timeout: 500 }),
  badOptions: [
    { options: undefined, says: "url: " },
    { options: { url: "127.0.0.1:18000" }, says: `url: ${word}` },
    { options: { url: "ftp://127.0.0.1" }, says: `url: ${word}` },
    { options: { url: "http://user:secret@127.0.0.1" }, says: `url: ${word}` },
    { options: { url: "http://127.0.0.1/?token=a" }, says: `url: ${word}` },
    { options: { url: "http://127.0.0.1:99999" }, says: `url: ${word}` },
    { options: { url: [] }, says: "url: " },
    { options: { url: [nowhere, "b"] }, says: "url" },
    { options: { url: nowhere, pool: "" }, says: "pool: Expected a word" },
    { options: { url: nowhere, interval: 0 }, says: "interval: Expected 1 or more" },
    { options: { url: nowhere, timeout: 1.5 }, says: "timeout: Expected a whole number" },
    { options: { url: nowhere, grace: -1 }, says: "grace: Expected milliseconds, 0 or more" },
    { options: { url: nowhere, keep: 299_999 }, says: "keep: Expected milliseconds, 300000 or more" },
    { options: { url: nowhere, types: [] }, says: "types: Expected one type or more" },
    { options: { url: nowhere, watch: "yes" }, says: "watch: " },
    { options: { url: nowhere, allow: [] }, says: "allow: Expected one range or more" },
    { options: { url: nowhere, allow: ["lan"] }, says: "allow.0: Expected an address" },
    { options: { url: nowhere, token: "a b" }, says: "token: Expected letters" },
    { options: { url: nowhere, maxBytes: 0 }, says: "maxBytes: " },
    { options: { url: nowhere, now: 1 }, says: "now: Expected a function" },
    { options: { url: nowhere, random: 1 }, says: "random: Expected a function" },
    { options: { url: nowhere, intervall: 5 }, says: 'did you mean "interval"?' },
  ],
});

describe.each([
  ["a stream of changes", {}],
  ["polls", { watch: false }],
] as [string, Partial<RegistryTargetsOptions>][])("with %s", (_, options) => {
  const all = [entry("a", { weight: 2 }), entry("b"), entry("c", { metadata: { type: "vLLM" } })];
  let registry: StubRegistry;

  beforeEach(async () => {
    // A test of the suite that is left before it comes back has it killed.
    await registry?.close();
    registry = await openStubRegistry(all);
  });
  afterAll(() => registry.close());

  testDiscovery({
    test,
    create: () => registryTargets({ url: registry.url, interval: 10, grace: 0, ...options }),
    expected: [
      { id: "a", url: "http://127.0.0.1:9/a", weight: 2, models: ["m"] },
      { id: "b", url: "http://127.0.0.1:9/b", weight: 1 },
    ],
    change() {
      registry.remove("a");
      registry.put(entry("b", { weight: 3 }), entry("d"));
      return {
        expected: [
          { id: "b", url: "http://127.0.0.1:9/b", weight: 3 },
          { id: "d", url: "http://127.0.0.1:9/d" },
        ],
      };
    },
    breakSource: () => registry.kill(),
    mend: () => registry.comeBack(),
    async asked() {
      if (options.watch !== false) await eventually(() => expect(registry.watchers).toBe(1));
      registry.hangUp();
      const before = registry.asked.length;
      await eventually(() => expect(registry.asked.length).toBeGreaterThan(before + 1));
    },
  });
});

test("asks nobody when it is only checked or tested, and has no targets", async () => {
  const registry = await stubRegistry([entry("a")]);
  const discovery = await discoveryOf(registryTargets({ url: registry.url }));
  const sink = fakeSink();
  await discovery.start(sink, new AbortController().signal);
  expect([...sink.targets]).toEqual([]);
  expect(registry.asked).toEqual([]);
});

describe("the pool", () => {
  test("has a change that is streamed at once", async () => {
    const registry = await stubRegistry([entry("a")]);
    const { ids, available, pool } = await startRig({ url: registry.url, interval: 3_600_000 });
    expect(ids()).toEqual(["a"]);
    await eventually(() => expect(registry.watchers).toBe(1));
    registry.put(entry("b"), entry("a", { is_healthy: false, status: "stopping" }));
    await eventually(() => expect([ids(), available()]).toEqual([["a", "b"], ["b"]]));
    expect(pool().verdicts("a")).toMatchObject([{ reporter: "registry", reason: "status stopping" }]);
    registry.put(entry("a"));
    await eventually(() => expect(available()).toEqual(["a", "b"]));
    registry.remove("a");
    await eventually(() => expect(ids()).toEqual(["b"]));
    expect(registry.asked).toEqual(["/services", "/services?watch=true"]);
  });

  test("keeps the other targets as they are when one changes", async () => {
    const registry = await stubRegistry([entry("a"), entry("b")]);
    const { pool } = await startRig({ url: registry.url });
    const [a, b] = pool().snapshot.all;
    await eventually(() => expect(registry.watchers).toBe(1));
    registry.put(entry("b", { weight: 5 }), entry("a", { last_heartbeat: 1, health_status: "healthy" }));
    await eventually(() => expect(pool().snapshot.all[1]).toMatchObject({ weight: 5 }));
    expect(pool().snapshot.all[0]).toBe(a);
    expect(pool().snapshot.all[1]).not.toBe(b);
  });

  test("is the one that was asked for, beside others", async () => {
    const registry = await stubRegistry([entry("a"), entry("e", { metadata: { type: "embeddings" } })]);
    const embeddings = () => [registryTargets({ url: registry.url, pool: "embeddings", types: ["embeddings"] })];
    const { pool, ids } = await startRig({ url: registry.url, beside: embeddings });
    expect(ids()).toEqual(["a"]);
    expect(pool("embeddings").snapshot.all.map(({ id }) => id)).toEqual(["e"]);
  });

  test("is empty after a start without a registry, which is told, and full when there is one", async () => {
    const registry = await stubRegistry([entry("a")]);
    await registry.kill();
    const { ids, log, proxy } = await startRig({ url: registry.url });
    expect(ids()).toEqual([]);
    expect(proxy.status().stale).toMatchObject([{ pool: "default", error: expect.stringContaining("ECONNREFUSED") }]);
    expect(log.filter((line) => line.startsWith("warn"))).toEqual([
      expect.stringContaining("no registry answers, so the services last known stay"),
    ]);
    await registry.comeBack();
    await eventually(() => expect(ids()).toEqual(["a"]));
    await eventually(() => expect(proxy.status().stale).toEqual([]));
    expect(log.at(-1)).toContain("answers again");
  });

  test("does not hold the start longer than the time-out when no registry answers", async () => {
    const silent = await stubRegistry([]);
    silent.instead = () => undefined;
    const starting = startRig({ url: [silent.url, `${silent.url}/two`], timeout: 200 });
    const { proxy } = await within(starting, "the start", 2_000);
    expect(proxy.status().stale[0]?.error).toContain("no answer within 100 ms");
  });
});

describe("a verdict of the registry", () => {
  test("is not that of a probe: what is dead stays out, whatever the registry lists", async () => {
    const alive = await upstream();
    const registry = await stubRegistry([entry("dead"), entry("alive", { url: alive.url })]);
    const probes = () => [activeHealth({ interval: 20, fall: 1, rise: 1 })];
    const { available, pool } = await startRig({ url: registry.url, beside: probes });
    expect(available()).toEqual(["alive"]);
    await eventually(() => expect(registry.watchers).toBe(1));
    const heard = registry.asked.length;
    registry.put(entry("dead", { is_healthy: false }));
    await eventually(() =>
      expect(
        pool()
          .verdicts("dead")
          .map(({ reporter }) => reporter)
          .toSorted(),
      ).toEqual(["active-health", "registry"]),
    );
    registry.put(entry("dead", { weight: 2 }));
    await eventually(() => expect(pool().verdicts("dead")).toMatchObject([{ reporter: "active-health" }]));
    registry.hangUp();
    await eventually(() => expect(registry.asked.length).toBeGreaterThan(heard + 1));
    await eventually(() => expect(registry.watchers).toBe(1));
    expect(available()).toEqual(["alive"]);
  });

  test("does not reach a target that the config has under the same name", async () => {
    const registry = await stubRegistry([entry("mine", { is_healthy: false, weight: 9 }), entry("other")]);
    const own = () => [staticTargets({ targets: [{ id: "mine", url: "http://127.0.0.1:8/own" }] })];
    const { ids, available, pool, log } = await startRig({ url: registry.url, beside: own });
    expect(ids()).toEqual(["mine", "other"]);
    expect(available()).toEqual(["mine", "other"]);
    expect(pool().snapshot.all[0]).toMatchObject({ basePath: "/own", weight: 1 });
    expect(log.join("\n")).toContain(
      'service "mine" of the registry is left out: the config has a target of that name',
    );
    await eventually(() => expect(registry.watchers).toBe(1));
    registry.remove("mine", "other");
    await eventually(() => expect(ids()).toEqual(["mine"]));
  });
});
