import type { RequestListener } from "node:http";
import { createStorage } from "unstorage";
import memoryDriver from "unstorage/drivers/memory";
import { describe, expect, test } from "vitest";
import { definePlugin, type Plugin, type Services, viewTarget } from "plugboard";
import { coolDown, type CoolDownOptions } from "plugboard/plugins/health/cool-down";
import { outlierEjection } from "plugboard/plugins/health/outlier-ejection";
import { testGrudge } from "plugboard/testing";
import { eventually } from "../../e2e/eventually.ts";
import { outliers, says } from "./outliers.ts";
import { start, type Started, upstream } from "./started.ts";

describe("cool-down", () => {
  testGrudge({ test, create: () => coolDown(), offend: [429], headers: { "retry-after": "60" } });
});

describe("outlier-ejection", () => {
  testGrudge({ test, create: () => outlierEjection({ consecutive: 2 }), offend: [503, 503] });
});

interface Clearing {
  readonly plugin: Plugin;
  forget(name: string, target?: string): number | undefined;
}

/** What an operator's plugin does. */
function clearing(): Clearing {
  let grudges: { readonly value: ReadonlyMap<string, Services["grudge"]> } | undefined;
  const plugin = definePlugin({
    name: "clearing",
    setup(proxy) {
      grudges = proxy.useAll("grudge");
    },
  });
  return { plugin: plugin(), forget: (name, target) => grudges?.value.get(name)?.forget(target) };
}

const refuses: RequestListener = (_request, response) => void response.writeHead(429, { "retry-after": "60" }).end();

/** Targets a and b, both of which cool down; for a model each where that is wanted. */
async function cooled(options: CoolDownOptions = {}, models = false): Promise<Started & Pick<Clearing, "forget">> {
  const { plugin, forget } = clearing();
  const specs = await Promise.all(["a", "b"].map(async (id) => ({ id, url: (await upstream(refuses)).url })));
  const routes = definePlugin({
    name: "routes",
    setup(proxy) {
      const toOne = (id: string, model: string | undefined) =>
        proxy.createRoute({
          name: `${id} ${model}`,
          candidates: (targets) =>
            targets
              .filter((target) => target.id === id)
              .map((target) => (model === undefined ? target : viewTarget(target, { model }))),
        });
      const known = new Map(["a", "b"].map((id) => [`/${id}`, toOne(id, models ? "m" : undefined)]));
      return { resolve: (x) => known.get(x.path) };
    },
  });
  const started = await start([plugin, routes(), coolDown(options)], { default: specs });
  for (const path of ["/a", "/b"]) await ask(started, path);
  return { ...started, forget };
}

async function ask({ proxy }: Started, path: string): Promise<number> {
  const response = await proxy.fetch(new Request(`http://proxy${path}`, { method: "POST" }));
  await response.arrayBuffer();
  return response.status;
}

const verdicts = (proxy: Started): string[] =>
  ["a", "b"].filter((id) =>
    proxy
      .pool()
      .verdicts(id)
      .some(({ reporter }) => reporter === "cool-down"),
  );

test("cool-down forgets one target, then all", async () => {
  const proxy = await cooled();
  expect(verdicts(proxy)).toEqual(["a", "b"]);
  expect(proxy.forget("cool-down", "nobody")).toBe(0);
  expect(proxy.forget("cool-down", "a")).toBe(1);
  expect(verdicts(proxy)).toEqual(["b"]);
  expect(proxy.forget("cool-down")).toBe(1);
  expect(proxy.forget("cool-down")).toBe(0);
  await eventually(() => expect(proxy.pool().snapshot.available).toHaveLength(2));
  expect(await ask(proxy, "/a")).toBe(429);
});

test("cool-down forgets models of a target, and counts the target once", async () => {
  const proxy = await cooled({}, true);
  expect([await ask(proxy, "/a"), await ask(proxy, "/b")]).toEqual([503, 503]);
  expect(proxy.forget("cool-down", "a")).toBe(1);
  expect([await ask(proxy, "/a"), await ask(proxy, "/b")]).toEqual([429, 503]);
  expect(proxy.forget("cool-down")).toBe(2);
  expect(await ask(proxy, "/b")).toBe(429);
});

test("what cool-down forgets does not come back after a restart", async () => {
  const storage = createStorage({ driver: memoryDriver() });
  const proxy = await cooled({ storage }, true);
  await eventually(async () => expect(await storage.getKeys("cool-down")).toHaveLength(2));
  proxy.forget("cool-down", "b");
  await eventually(async () => expect(await storage.getKeys("cool-down")).toHaveLength(1));
  expect(JSON.stringify(await storage.getItem((await storage.getKeys("cool-down"))[0]!))).toContain('"id":"a"');
  proxy.forget("cool-down");
  await eventually(async () => expect(await storage.getKeys("cool-down")).toEqual([]));
});

test("a storage that fails is told of, and what was forgotten stays so meanwhile", async () => {
  const storage = createStorage({ driver: memoryDriver() });
  const gone = (): Promise<never> => Promise.reject(new Error("it is gone"));
  const proxy = await cooled({ storage: { ...storage, removeItem: gone } });
  await eventually(async () => expect(await storage.getKeys("cool-down")).toHaveLength(2));
  expect(proxy.forget("cool-down")).toBe(2);
  await eventually(() => expect(proxy.log.join()).toContain("still stored"));
  expect(verdicts(proxy)).toEqual([]);
});

test("outlier-ejection forgets one target, then all, and how often they went before", async () => {
  const { plugin, forget } = clearing();
  const proxy = await outliers(["a", "b", "c", "d"], { consecutive: 1, duration: 60_000 }, { plugins: [plugin] });
  for (const id of ["a", "b"]) {
    proxy.answers.set(id, says(502));
    await proxy.ask(id);
    await proxy.turned(id, false);
  }
  expect(forget("outlier-ejection", "a")).toBe(1);
  await proxy.turned("a", true);
  expect(proxy.available()).toEqual(["a", "c", "d"]);
  await proxy.ask("a");
  await proxy.turned("a", false);
  const [verdict] = proxy.pool().verdicts("a");
  // A second ejection would be of two minutes.
  expect(verdict!.until - verdict!.since).toBeLessThanOrEqual(60_000);
  expect(forget("outlier-ejection")).toBe(2);
  expect(forget("outlier-ejection")).toBe(0);
  await proxy.turned("b", true);
});

test("outlier-ejection forgets the failures of a target that is still in", async () => {
  const { plugin, forget } = clearing();
  const proxy = await outliers(["a", "b"], { consecutive: 2 }, { plugins: [plugin] });
  proxy.answers.set("a", says(502));
  await proxy.ask("a");
  expect(forget("outlier-ejection", "a")).toBe(0);
  await proxy.ask("a");
  expect(proxy.available()).toEqual(["a", "b"]);
  expect(proxy.log).toEqual([]);
});
