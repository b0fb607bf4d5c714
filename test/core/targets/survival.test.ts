import type { DiscoverySink, Plugin, Proxy, TargetStats } from "plugboard";
import { expect, test } from "vitest";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { published } from "./pool-rig.ts";

const get = (proxy: Proxy): Promise<Response> => proxy.fetch(new Request("http://proxy/"));
const live = (proxy: Proxy): TargetStats | undefined => proxy.pools()[0]?.snapshot.all[0]?.live;

/** A source that a test speaks for; the newest generation's sink is the last. */
function source(): { plugin: Plugin; sinks: DiscoverySink[] } {
  const sinks: DiscoverySink[] = [];
  const plugin = quickPlugin("source", (setup) =>
    setup.provide("discovery", "source", {
      start(sink) {
        sinks.push(sink);
        sink.replace([{ id: "t", url: "mem://t" }]);
      },
    }),
  );
  return { plugin, sinks };
}

test("a target's counters go on across reloads", async () => {
  const mem = memUpstream();
  const proxy = await openProxy({ plugins: [mem] });
  await (await get(proxy)).text();
  await proxy.reload();
  await (await get(proxy)).text();
  expect(live(proxy)).toMatchObject({ requests: 2, inflight: 0, failures: 0 });
});

test("a target whose weight, models or base path change keeps its counters", async () => {
  const proxy = await openProxy({ plugins: [memUpstream(sayOk, [{ id: "t", url: "mem://a" }])] });
  await (await get(proxy)).text();
  await proxy.reload({ plugins: [memUpstream(sayOk, [{ id: "t", url: "mem://b/v1", weight: 3, models: ["m"] }])] });
  expect(live(proxy)).toMatchObject({ requests: 1 });
});

test("a target that is removed and comes back while an attempt is under way keeps its counters", async () => {
  const calls: MemCall[] = [];
  const { plugin, sinks } = source();
  const proxy = await openProxy({ plugins: [memUpstream((call) => void calls.push(call), []), plugin] });
  const answer = get(proxy);
  await published();
  const before = live(proxy);
  expect(before).toMatchObject({ inflight: 1, requests: 1 });
  sinks[0]?.replace([]);
  await published();
  expect(proxy.pools()[0]?.snapshot.all).toEqual([]);
  sinks[0]?.replace([{ id: "t", url: "mem://t" }]);
  await published();
  expect(live(proxy)).toBe(before);
  sayOk(calls[0] as MemCall);
  await (await answer).text();
  expect(live(proxy)).toMatchObject({ inflight: 0, requests: 1 });
});

test("a target that is removed for good lets its attempts end, and is counted right to the end", async () => {
  const calls: MemCall[] = [];
  const { plugin, sinks } = source();
  const proxy = await openProxy({ plugins: [memUpstream((call) => void calls.push(call), []), plugin] });
  const answer = get(proxy);
  await published();
  const stats = live(proxy);
  sinks[0]?.replace([]);
  await published();
  sayOk(calls[0] as MemCall);
  expect(await (await answer).text()).toBe("t");
  expect(stats).toMatchObject({ inflight: 0 });
  sinks[0]?.replace([{ id: "t", url: "mem://t" }]);
  await published();
  expect(live(proxy)).toMatchObject({ requests: 0 });
});

test("a target that two pools hold is one target, with one set of counters", async () => {
  const both = quickPlugin("both", (setup) => {
    for (const pool of ["default", "other"]) {
      setup.provide("discovery", pool, { pool, start: (sink) => sink.replace([{ id: "t", url: "mem://t" }]) });
    }
  });
  const proxy = await openProxy({ plugins: [memUpstream(sayOk, []), both] });
  await (await get(proxy)).text();
  const [one, other] = proxy.pools().map((pool) => pool.snapshot.all[0]?.live);
  expect(one).toBe(other);
  expect(other).toMatchObject({ requests: 1 });
});
