import type { RequestListener } from "node:http";
import { createStorage } from "unstorage";
import memoryDriver from "unstorage/drivers/memory";
import { expect, test } from "vitest";
import { definePlugin, type Plugin, type RouteOptions, type TargetSpec, viewTarget } from "plugboard";
import { coolDown, type CoolDownOptions } from "plugboard/plugins/health/cool-down";
import { testPlugin } from "plugboard/testing";
import { eventually } from "../../e2e/eventually.ts";
import { start, type Started, upstream } from "./started.ts";

testPlugin({
  test,
  create: () => coolDown({ statuses: [429, 503], retry: true, now: () => 0 }),
  badOptions: [
    { options: { statuses: [] }, says: "statuses: Expected one status or more" },
    { options: { statuses: [404] }, says: "statuses.0: Expected 429, or 500 to 599" },
    { options: { pause: 0 }, says: "pause: Expected 1 or more" },
    { options: { max: 1.5 }, says: "max: Expected a whole number" },
    { options: { retry: "yes" }, says: "retry" },
    { options: { storage: "redis://127.0.0.1" }, says: "storage: Expected a storage of unstorage" },
    { options: { base: "a//b" }, says: "base: Expected words" },
    { options: { now: 5 }, says: "now: Expected a function that returns milliseconds" },
  ],
});

const refuses =
  (headers: Record<string, string> = {}, status = 429): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, headers).end();
const serves: RequestListener = (_request, response) => void response.end("x");

interface Cooled extends Started {
  ask(route?: string): Promise<Response>;
  seconds(id: string): number | undefined;
  down(id: string): Promise<void>;
}

/** Targets a and b, of which the first available one is asked, and what each answers. */
async function cooled(
  [a, b]: readonly [RequestListener, RequestListener?],
  options: CoolDownOptions = {},
  plugins: readonly Plugin[] = [],
): Promise<Cooled> {
  const specs: TargetSpec[] = [{ id: "a", url: (await upstream(a)).url }];
  if (b !== undefined) specs.push({ id: "b", url: (await upstream(b)).url, weight: options.retry === true ? 1 : 0 });
  const started = await start([...plugins, coolDown(options)], { default: specs });
  return {
    ...started,
    ask: (route = "") =>
      started.proxy.fetch(new Request("http://proxy/", { method: "POST", headers: { "x-route": route } })),
    seconds(id) {
      const [verdict] = started.pool().verdicts(id);
      return verdict && Math.round((verdict.until - Date.now()) / 1_000);
    },
    down: (id) => eventually(() => expect(started.pool().snapshot.available.map((one) => one.id)).not.toContain(id)),
  };
}

test("a 429 reaches its client, and the next request another target", async () => {
  const proxy = await cooled([refuses({ "retry-after": "7" }), serves]);
  const first = await proxy.ask();
  expect([first.status, first.headers.get("retry-after")]).toEqual([429, "7"]);
  await proxy.down("a");
  expect(proxy.pool().verdicts("a")).toMatchObject([{ reporter: "cool-down", reason: "status 429" }]);
  expect(proxy.seconds("a")).toBe(7);
  expect((await proxy.ask()).status).toBe(200);
  expect(proxy.log).toEqual(["warn: target a cools down for 7 s: status 429"]);
});

test("when that is wanted, the request itself goes to another target", async () => {
  const proxy = await cooled([refuses(), serves], { retry: true });
  expect([(await proxy.ask()).status, (await proxy.ask()).status]).toEqual([200, 200]);
});

test("when nobody else is left, the 429 reaches the client also then", async () => {
  const proxy = await cooled([refuses()], { retry: true });
  expect((await proxy.ask()).status).toBe(429);
});

test("when all cool down, clients are told when the first is back", async () => {
  const proxy = await cooled([refuses({ "retry-after": "70" }), refuses({ "retry-after": "20" })]);
  await proxy.ask();
  await proxy.down("a");
  await proxy.ask();
  await proxy.down("b");
  const refused = await proxy.ask();
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(19);
  expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(20);
  expect(await refused.json()).toMatchObject({ error: { code: "cooling_down" } });
});

test.each<[string, Record<string, string>, CoolDownOptions, number]>([
  ["what is set when none is asked for", {}, { pause: 5_000 }, 5],
  ["the most when more is asked for", { "retry-after": "86400" }, {}, 300],
  ["what is set when more is asked for", { "retry-after": "86400" }, { max: 60_000 }, 60],
  ["a second when less is asked for", { "retry-after": "0" }, {}, 1],
])("the pause is %s", async (_, headers, options, seconds) => {
  const proxy = await cooled([refuses(headers)], options);
  await proxy.ask();
  expect(proxy.seconds("a")).toBe(seconds);
});

test("a shorter pause does not end a longer one", async () => {
  const pauses = ["100", "2"];
  const held: (() => void)[] = [];
  const proxy = await cooled([
    (_request, response) => void held.push(() => void response.writeHead(429, { "retry-after": pauses.shift() }).end()),
  ]);
  const asked = [proxy.ask(), proxy.ask()];
  await eventually(() => expect(held).toHaveLength(2));
  held[0]?.();
  await eventually(() => expect(proxy.seconds("a")).toBe(100));
  held[1]?.();
  await Promise.all(asked);
  expect(proxy.seconds("a")).toBe(100);
});

test.each<[string, CoolDownOptions, RequestListener, number | undefined]>([
  ["is none for a pause unless it is listed", {}, refuses({ "retry-after": "9" }, 503), undefined],
  ["is one when it is listed and names a time", { statuses: [503] }, refuses({ "retry-after": "9" }, 503), 9],
  ["is none when it names no time", { statuses: [503] }, refuses({}, 503), undefined],
])("a 503 %s", async (_, options, answer, seconds) => {
  const proxy = await cooled([answer], options);
  expect((await proxy.ask()).status).toBe(503);
  expect(proxy.seconds("a")).toBe(seconds);
});

test("a target is back when its time is over", async () => {
  const proxy = await cooled([refuses()], { pause: 1, max: 1 });
  await proxy.ask();
  await eventually(() => expect(proxy.pool().snapshot.available).toHaveLength(1));
});

test("a target cools down over a reload", async () => {
  const proxy = await cooled([refuses()]);
  await proxy.ask();
  await proxy.proxy.reload();
  expect((await proxy.ask()).status).toBe(503);
});

/** Routes by header, each of which asks every target for its model. */
const byModel = definePlugin({
  name: "by-model",
  setup(proxy) {
    const routes = new Map(
      ["large", "small"].map((model) => {
        const candidates: RouteOptions["candidates"] = (targets) =>
          targets.map((target) => viewTarget(target, { model }));
        return [model, proxy.createRoute({ name: model, candidates })] as const;
      }),
    );
    return { resolve: (x) => routes.get(String(x.headers["x-route"])) };
  },
});

test("a target that is asked for several models cools down with one of them", async () => {
  let time = 1_000;
  const proxy = await cooled([refuses({ "retry-after": "9" })], { now: () => time }, [byModel()]);
  expect((await proxy.ask("large")).status).toBe(429);
  const refused = await proxy.ask("large");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "9"]);
  expect(await refused.json()).toMatchObject({ error: { code: "cooling_down" } });
  expect((await proxy.ask("small")).status).toBe(429);
  expect(proxy.pool().snapshot.available).toHaveLength(1);
  expect(proxy.log[0]).toBe("warn: target a, model large, cools down for 9 s: status 429");
  await proxy.proxy.reload();
  expect((await proxy.ask("large")).status).toBe(503);
  time += 9_000;
  expect((await proxy.ask("large")).status).toBe(429);
});

test("explain says who leaves a cooling model out", async () => {
  const proxy = await cooled([refuses({ "retry-after": "9" })], { now: () => 0 }, [byModel()]);
  await proxy.ask("large");
  const { candidates } = await proxy.proxy.explain({ path: "/", method: "POST", headers: { "x-route": "large" } });
  expect(candidates).toMatchObject([{ id: "a", kept: false, reason: "dropped by plugin cool-down" }]);
});

test("with a storage, a restart begins with the cool-downs of before", async () => {
  const storage = createStorage({ driver: memoryDriver() });
  const proxy = await cooled([refuses({ "retry-after": "50" })], { storage });
  await proxy.ask();
  await eventually(async () => expect(await storage.getKeys("cool-down")).toHaveLength(1));
  const url = proxy.pool().snapshot.all[0]!.origin;
  await proxy.proxy.close({ deadline: 0 });
  const again = await start([coolDown({ storage })], { default: [{ id: "a", url }] });
  expect(again.pool().verdicts("a")).toMatchObject([{ reporter: "cool-down", reason: "status 429" }]);
  expect(again.pool().verdicts("a")[0]?.until).toBeLessThanOrEqual(Date.now() + 50_000);
  const short = await start([coolDown({ storage, max: 1_000 })], { default: [{ id: "a", url }] });
  expect(short.pool().verdicts("a")[0]?.until).toBeLessThanOrEqual(Date.now() + 1_000);
  const late = await start([coolDown({ storage, now: () => Date.now() + 60_000 })], { default: [{ id: "a", url }] });
  expect(late.pool().verdicts("a")).toEqual([]);
  expect(await storage.getKeys("cool-down")).toEqual([]);
});

test("with a storage, models cool down over a restart too", async () => {
  const storage = createStorage({ driver: memoryDriver() });
  const proxy = await cooled([refuses()], { storage }, [byModel()]);
  await proxy.ask("large");
  await eventually(async () => expect(await storage.getKeys()).toHaveLength(1));
  await proxy.proxy.close({ deadline: 0 });
  const again = await cooled([serves], { storage }, [byModel()]);
  expect([(await again.ask("large")).status, (await again.ask("small")).status]).toEqual([503, 200]);
});

const gone = (): Promise<never> => Promise.reject(new Error("it is gone"));

test("a storage that fails holds nothing up and is told of", async () => {
  const storage = createStorage({ driver: memoryDriver() });
  const broken = { ...storage, getKeys: gone, setItem: gone };
  const proxy = await cooled([refuses(), serves], { storage: broken });
  expect((await proxy.ask()).status).toBe(429);
  await eventually(() => expect(proxy.log.filter((line) => line.includes("it is gone"))).toHaveLength(2));
});

test("what a storage holds besides is no cool-down and does no harm", async () => {
  const storage = createStorage({ driver: memoryDriver() });
  await storage.setItem("cool-down:a", "rubbish");
  await storage.setItem("cool-down:b", { id: "a", until: "tomorrow", reason: 5 });
  const proxy = await cooled([serves], { storage });
  expect(proxy.pool().verdicts("a")).toEqual([]);
});
