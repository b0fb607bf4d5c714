import { createProxy, definePlugin, type Plugin, type Proxy, type Reporter } from "plugboard";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { describe, expect, onTestFinished, test } from "vitest";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const three = memUpstream(
  sayOk,
  ["a", "b", "c"].map((id) => ({ id, url: `mem://${id}` })),
);
const get = async (proxy: Proxy): Promise<string> => (await proxy.fetch(new Request("http://proxy/"))).text();

describe("explaining a request to a running proxy changes nothing", () => {
  test.each([
    ["round-robin", roundRobin()],
    ["least-connections", leastConnections()],
    ["turns", undefined],
  ])("not the next pick of %s", async (_what, selector) => {
    const picks = async (explains: boolean): Promise<string[]> => {
      const proxy = await openProxy({ plugins: [three, selector] });
      const picked: string[] = [];
      for (let i = 0; i < 7; i++) {
        if (explains) for (let j = 0; j < i; j++) await proxy.explain();
        picked.push(await get(proxy));
      }
      return picked;
    };
    expect(await picks(true)).toEqual(await picks(false));
  });

  test("no counter, no verdict, no snapshot, no generation, nothing under way", async () => {
    const proxy = await openProxy({ plugins: [three] });
    await get(proxy);
    const [pool] = proxy.pools();
    const state = (): unknown => ({
      ...proxy.status(),
      live: pool?.snapshot.all.map(({ live }) => ({ ...live })),
      verdicts: pool?.verdicts("a"),
    });
    const before = JSON.stringify(state());
    const { snapshot } = pool ?? {};
    await proxy.explain();
    await new Promise((resolve) => setImmediate(resolve));
    expect(JSON.stringify(state())).toBe(before);
    expect(pool?.snapshot).toBe(snapshot);
  });

  test("nothing is sent, observed, started or asked", async () => {
    const calls: string[] = [];
    const busy = quickPlugin("busy", (proxy) => {
      const note = (what: string): void => void calls.push(`${what} in ${proxy.mode}`);
      proxy.every(1, () => note("task"), { immediate: true });
      proxy.onReady(() => note("ready"));
      proxy.provide("discovery", "busy", { start: () => note("discovery") });
      return {
        end: () => note("end") as undefined,
        attemptEnd: () => note("attemptEnd") as undefined,
        health: () => note("health") as undefined,
        upstreamResponse: () => note("upstreamResponse"),
      };
    });
    const sent: string[] = [];
    const upstream = memUpstream(({ target }) => void sent.push(target.id));
    const proxy = await openProxy({ plugins: [upstream, busy] });
    calls.length = 0;
    await proxy.explain();
    expect(calls.filter((call) => call.endsWith("in check"))).toEqual([]);
    expect(sent).toEqual([]);
  });

  test("what its plugins would report of health is not heard", async () => {
    const reporters: Reporter[] = [];
    const reporting = quickPlugin("reporting", (proxy) => {
      reporters.push(proxy.reporter("r"));
      return { inspect: () => reporters.at(-1)?.down("a", "explained away") };
    });
    const proxy = await openProxy({ plugins: [three, reporting] });
    await proxy.explain();
    expect(proxy.pools()[0]?.verdicts("a")).toEqual([]);
  });

  test("the counters of plugins are those of an instance of its own", async () => {
    const limit = definePlugin({
      name: "limit",
      setup() {
        let left = 2;
        return { request: () => (left-- > 0 ? undefined : { status: 429 }) };
      },
    });
    const proxy = await openProxy({ plugins: [three, limit()] });
    for (let i = 0; i < 5; i++) expect((await proxy.explain()).reply).toBeUndefined();
    expect((await proxy.fetch(new Request("http://proxy/"))).status).toBe(200);
  });

  test("the rehearsal is closed again, each time", async () => {
    const open = new Set<object>();
    const closing = quickPlugin("closing", (proxy) => {
      open.add(proxy);
      proxy.onClose(() => void open.delete(proxy));
    });
    const proxy = await openProxy({ plugins: [three, closing] });
    await proxy.explain();
    await proxy.explain({ path: "/a/../b" });
    expect(open.size).toBe(1);
  });
});

describe("what is explained is the running config", () => {
  test("with its targets and their health, as they are now", async () => {
    const reporters: Reporter[] = [];
    const reporting = quickPlugin("reporting", (proxy) => void reporters.push(proxy.reporter("admin")));
    const proxy = await openProxy({ plugins: [three, reporting] });
    reporters[0]?.down("a", "drained by hand");
    await new Promise((resolve) => setImmediate(resolve));
    const { candidates, attempts } = await proxy.explain();
    expect(candidates[0]).toEqual({ id: "a", url: "mem://a", kept: false, reason: "down by admin: drained by hand" });
    expect(attempts.toSorted()).toEqual(["b", "c"]);
  });

  test("and not the one that a reload refused", async () => {
    const proxy = await openProxy({ plugins: [three] });
    const bad = quickPlugin("bad", () => {
      throw new Error("boom");
    });
    await expect(proxy.reload({ plugins: [bad] })).rejects.toThrow("boom");
    expect((await proxy.explain()).attempts).toHaveLength(3);
  });

  test("also when it is a function", async () => {
    const modes: string[] = [];
    const proxy = await createProxy(({ mode }) => {
      modes.push(mode);
      return { plugins: [three] };
    });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    expect((await proxy.explain()).attempts).toHaveLength(3);
    expect(modes).toEqual(["serve", "check"]);
  });

  test("with what its targets carry: models, labels, meta, weight", async () => {
    const carried: unknown[] = [];
    const spec = { id: "a", url: "mem://a/base", weight: 3, models: ["m"], labels: { zone: "z" }, meta: { price: 2 } };
    const look: Plugin = hooks({
      upstreamRequest({ target }) {
        const { id, weight, models, labels, meta, basePath } = target ?? {};
        carried.push({ id, weight, models, labels, meta, basePath });
      },
    });
    const proxy = await openProxy({ plugins: [memUpstream(sayOk, [spec]), look] });
    await get(proxy);
    await proxy.explain();
    expect(carried[1]).toEqual(carried[0]);
  });
});
