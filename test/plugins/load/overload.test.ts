import { expect, test } from "vitest";
import { definePlugin, type Plugin } from "plugboard";
import { testGuard, testPlugin } from "plugboard/testing";
import { type OverloadOptions, overload } from "../../../plugins/load/overload.ts";
import { type MemCall, memUpstream, sayOk } from "../../core/mem-upstream.ts";
import { type OpenProxy, openProxy } from "../../core/open-proxy.ts";
import { quickPlugin } from "../../core/quick-plugin.ts";
import { eventually } from "../../e2e/eventually.ts";
import { type Ask, asking, matching } from "./overload-rig.ts";

const says = (what: string) => `Expected ${what}`;

testPlugin({
  test,
  create: () => overload({ maxActive: 100, keep: () => false }),
  badOptions: [
    { options: { heap: 0 }, says: says("more than 0, up to 1") },
    { options: { heapClose: 1.5 }, says: "heapClose" },
    { options: { descriptors: -1 }, says: "descriptors" },
    { options: { delay: 0 }, says: says("milliseconds above 0") },
    { options: { maxActive: 0 }, says: says("1 or more") },
    { options: { maxActive: 1.5 }, says: says("a whole number") },
    { options: { keep: true }, says: says("a function of the exchange") },
  ],
});

testGuard({ test, create: () => overload({ maxActive: 100 }), passes: [{}] });

const health = quickPlugin("health", (proxy) => {
  proxy.route("GET", "/health", () => "well");
  proxy.route("GET", "/backends/:name/logs/**", () => "well");
});

interface Held {
  readonly proxy: OpenProxy;
  readonly ask: Ask;
  /** Requests to `/held`, which the test answers. */
  readonly held: MemCall[];
}

async function holding(options: OverloadOptions, ...others: readonly Plugin[]): Promise<Held> {
  const held: MemCall[] = [];
  const upstream = memUpstream((call) => (call.x.path === "/held" ? void held.push(call) : sayOk(call)));
  const proxy = await openProxy({ plugins: [...others, overload(options), health, upstream] });
  const { port } = await proxy.listen();
  return { proxy, held, ask: asking(port) };
}

const block = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

/** Turns of the event loop that take so long, until `until` holds after one of them. */
async function busy(ms: number, until: () => boolean): Promise<void> {
  while (!until()) {
    block(ms);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

test("an event loop that is late refuses requests, answers control routes, and takes requests again by itself", async () => {
  const { proxy, ask } = await holding({ delay: 100 });
  expect(await ask("/")).toMatchObject({ status: 200 });
  await busy(200, () => matching(proxy.lines, "refused").length > 0);
  expect(await ask("/")).toMatchObject({ status: 503, code: "overloaded" });
  for (const path of ["/health", "/backends/a/logs/1/2"]) expect(await ask(path)).toMatchObject({ status: 200 });
  expect(await ask("/backends/a/b")).toMatchObject({ status: 503 });
  await expect.poll(async () => (await ask("/")).status, { timeout: 10_000 }).toBe(200);
  expect(proxy.lines).toEqual([
    expect.stringMatching(/^warn: new requests are refused: an event loop that is \d+ ms late$/),
    expect.stringMatching(/^info: no longer, after \d+ s and \d+ requests: new requests are refused; an event loop/),
  ]);
});

test("an event loop whose turns take longer than it is looked at is seen all the same", async () => {
  const { proxy } = await holding({ delay: 100 });
  await busy(2_100, () => matching(proxy.lines, "refused").length > 0);
});

test("a single pause refuses nothing", async () => {
  const { proxy, ask } = await holding({ delay: 100 });
  let turns = 0;
  // The pause is in the middle of what is looked at.
  await busy(10, () => ++turns > 20);
  block(300);
  let looked = false;
  setTimeout(() => (looked = true), 2_500);
  await expect.poll(() => looked, { timeout: 5_000 }).toBe(true);
  expect(await ask("/")).toMatchObject({ status: 200 });
  expect(proxy.lines).toEqual([]);
});

test("more requests than may be under way are refused, and do not count themselves", async () => {
  const { proxy, ask, held } = await holding({ maxActive: 2 });
  const first = [ask("/held"), ask("/held")];
  await eventually(() => expect(held).toHaveLength(2));
  const refused = await Promise.all(Array.from({ length: 20 }, () => ask("/")));
  expect(refused.every(({ status, code }) => status === 503 && code === "overloaded")).toBe(true);
  expect(new Set(refused.map(({ retryAfter }) => retryAfter))).toEqual(new Set([1, 2, 3]));
  expect(await ask("/health")).toMatchObject({ status: 200 });
  sayOk(held[0]!);
  await Promise.race(first);
  expect(await ask("/")).toMatchObject({ status: 200 });
  await eventually(() => expect(proxy.lines).not.toEqual([]));
  expect(proxy.lines).toEqual(["warn: new requests are refused: 1 of 2 requests under way"]);
});

test("what is to be kept is served over the limit", async () => {
  const { ask, held } = await holding({ maxActive: 1, keep: (x) => x.headers["x-priority"] === "high" });
  void ask("/held").catch(() => {});
  await eventually(() => expect(held).toHaveLength(1));
  expect(await ask("/", { "x-priority": "low" })).toMatchObject({ status: 503 });
  expect(await ask("/", { "x-priority": "high" })).toMatchObject({ status: 200 });
});

test("requests under way count over a reload", async () => {
  const { proxy, ask, held } = await holding({ maxActive: 1 });
  const first = ask("/held");
  await eventually(() => expect(held).toHaveLength(1));
  await proxy.reload();
  expect(await ask("/")).toMatchObject({ status: 503 });
  sayOk(held[0]!);
  await first;
  expect(await ask("/")).toMatchObject({ status: 200 });
});

test("it refuses before guards spend time on a request, and after its id is known", async () => {
  const asked: string[] = [];
  const guard = (name: string): Plugin =>
    definePlugin({ name, setup: () => ({ request: (x) => void asked.push(`${name} ${x.path}`) }) })();
  const guards = ["keys", "ip", "rate-limit", "request-id"].map(guard);
  const { ask, held } = await holding({ maxActive: 1 }, ...guards);
  void ask("/held").catch(() => {});
  await eventually(() => expect(held).toHaveLength(1));
  expect(await ask("/refused")).toMatchObject({ status: 503 });
  expect(asked.filter((each) => each.endsWith("/refused"))).toEqual(["request-id /refused"]);
});
