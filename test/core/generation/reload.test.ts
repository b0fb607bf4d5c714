import { createProxy, type Plugin, type Proxy, type ProxyConfig } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { problemsOf } from "../config/config-error-of.ts";

const boom = (): never => {
  throw new Error("boom");
};
const mem = memUpstream();
const answer = async (proxy: Proxy): Promise<string> => (await proxy.fetch(new Request("http://proxy/"))).text();

const failures: readonly (readonly [string, ProxyConfig | (() => ProxyConfig), string])[] = [
  ["a config that throws", boom, "boom"],
  ["a config that is none", {} as ProxyConfig, "a config needs a list of plugins"],
  ["an option that is wrong", { plugins: [], port: -1 }, "port"],
  ["a setup that throws", { plugins: [quickPlugin("bad", boom)] }, "setup failed: boom"],
  ["a service that is missing", { plugins: [quickPlugin("bad", (p) => void p.use("catalog", "x"))] }, "no plugin"],
  ["hooks in a circle", { plugins: [circle("a", "b"), circle("b", "a")] }, "wait for each other"],
  ["a trusted proxy that is none", { plugins: [], trustedProxies: ["nobody"] }, "trustedProxies"],
  [
    "a discovery that fails",
    { plugins: [quickPlugin("bad", (p) => p.provide("discovery", "d", { start: boom }))] },
    "boom",
  ],
  ["a plugin that does not get ready", { plugins: [quickPlugin("bad", (p) => p.onReady(boom))] }, "boom"],
];

function circle(name: string, other: string): Plugin {
  return quickPlugin(name, () => ({ request: { handler: () => {}, after: [other] } }));
}

describe("a reload that fails leaves the running generation as it is", () => {
  test.each(failures)("%s", async (_what, config, message) => {
    const proxy = await openProxy({ plugins: [mem] });
    await expect(proxy.reload(config)).rejects.toThrow(message);
    expect(proxy.status()).toMatchObject({
      generation: 1,
      plugins: ["mem-upstream"],
      reloadError: expect.stringContaining(message),
    });
    expect(await answer(proxy)).toBe("mem://a");
    expect(await proxy.reload()).toEqual({ generation: 2 });
    expect(proxy.status().reloadError).toBeUndefined();
  });

  test("what it said of the health of targets is forgotten", async () => {
    const doomed = quickPlugin("doomed", (proxy) => {
      const reporter = proxy.reporter("doomed");
      proxy.every(60_000, () => reporter.down("mem://a", "I think"), { immediate: true });
      proxy.onReady(boom);
    });
    const proxy = await openProxy({ plugins: [mem] });
    await expect(proxy.reload({ plugins: [mem, doomed] })).rejects.toThrow("boom");
    await new Promise((resolve) => setImmediate(resolve));
    expect(proxy.pools()[0]?.verdicts("mem://a")).toEqual([]);
    expect(await answer(proxy)).toBe("mem://a");
  });

  test("its targets are forgotten", async () => {
    const proxy = await openProxy({ plugins: [mem] });
    const wrong = memUpstream(sayOk, [{ url: "mem://wrong" }]);
    await expect(proxy.reload({ plugins: [wrong, quickPlugin("bad", (p) => p.onReady(boom))] })).rejects.toThrow();
    expect(proxy.pools()[0]?.snapshot.all.map(({ id }) => id)).toEqual(["mem://a"]);
  });
});

describe("a reload", () => {
  test("without a config takes the last one that worked anew", async () => {
    const modes: string[] = [];
    const proxy = await createProxy(({ mode }) => {
      modes.push(mode);
      return { plugins: [memUpstream(sayOk, [{ url: `mem://${modes.length}` }])] };
    });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    await expect(proxy.reload({ plugins: [quickPlugin("bad", boom)] })).rejects.toThrow();
    expect(await proxy.reload()).toEqual({ generation: 2 });
    expect(await answer(proxy)).toBe("mem://2");
    expect(modes).toEqual(["serve", "serve"]);
  });

  test("waits for the one before it, so that the last one wins", async () => {
    const proxy = await openProxy({ plugins: [mem] });
    const order: string[] = [];
    const slow = quickPlugin("slow", async () => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      order.push("slow");
    });
    const reloads = [
      proxy.reload({ plugins: [slow] }),
      proxy.reload({ plugins: [quickPlugin("bad", boom)] }).catch(() => order.push("bad")),
      proxy.reload({ plugins: [quickPlugin("fast", () => void order.push("fast"))] }),
    ];
    expect(await Promise.all(reloads)).toEqual([{ generation: 2 }, 2, { generation: 3 }]);
    expect(order).toEqual(["slow", "bad", "fast"]);
    expect(proxy.status().plugins).toEqual(["fast"]);
  });

  test("takes the limits of the new config", async () => {
    const proxy = await openProxy({ plugins: [mem] });
    await proxy.reload({ plugins: [mem], limits: { url: 10 } });
    expect((await proxy.fetch(new Request("http://proxy/longer-than-ten"))).status).toBe(414);
    await proxy.reload({ plugins: [mem] });
    expect((await proxy.fetch(new Request("http://proxy/longer-than-ten"))).status).toBe(200);
  });

  test("of a closed proxy is refused", async () => {
    const proxy = await createProxy({ plugins: [] });
    await proxy.close();
    await expect(proxy.reload()).rejects.toThrow("closed");
  });
});

describe("retired generations", () => {
  /** Streams that stay open, and a note of each generation that is closed. */
  function streaming(): { plugins: (name: string) => Plugin[]; calls: MemCall[]; closed: string[] } {
    const calls: MemCall[] = [];
    const closed: string[] = [];
    const upstream = memUpstream((call) => {
      calls.push(call);
      call.sink.connected();
      call.sink.head(200, {});
      call.sink.data(Buffer.from("first"));
    });
    const note = (name: string): Plugin => quickPlugin("note", (proxy) => proxy.onClose(() => void closed.push(name)));
    return { plugins: (name) => [upstream, note(name)], calls, closed };
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("are closed when their last exchange ends", async () => {
    const { plugins, calls, closed } = streaming();
    const proxy = await openProxy({ plugins: plugins("1") });
    const stream = await proxy.fetch(new Request("http://proxy/"));
    await proxy.reload({ plugins: plugins("2") });
    await turn();
    expect(closed).toEqual([]);
    calls[0]?.sink.end();
    expect(await stream.text()).toBe("first");
    await turn();
    expect(closed).toEqual(["1"]);
  });

  test("are closed at once when nothing is under way", async () => {
    const { plugins, closed } = streaming();
    const proxy = await openProxy({ plugins: plugins("1") });
    await proxy.reload({ plugins: plugins("2") });
    await turn();
    expect(closed).toEqual(["1"]);
  });

  test("are kept up to limits.generations, then the oldest is closed, and its streams go on", async () => {
    const { plugins, calls, closed } = streaming();
    const config = (name: string): ProxyConfig => ({ plugins: plugins(name), limits: { generations: 1 } });
    const proxy = await openProxy(config("1"));
    const streams: Response[] = [];
    for (const name of ["2", "3", "4"]) {
      streams.push(await proxy.fetch(new Request("http://proxy/")));
      await proxy.reload(config(name));
    }
    await turn();
    // Of the generations 1 to 3, each with a stream, one is kept.
    expect(closed).toEqual(["1", "2"]);
    for (const { sink } of calls) sink.end();
    expect(await Promise.all(streams.map((stream) => stream.text()))).toEqual(["first", "first", "first"]);
    await turn();
    expect(closed).toEqual(["1", "2", "3"]);
  });

  test("are all closed with the proxy", async () => {
    const { plugins, closed } = streaming();
    const proxy = await createProxy({ plugins: plugins("1") });
    const stream = await proxy.fetch(new Request("http://proxy/"));
    await proxy.reload({ plugins: plugins("2") });
    await proxy.close({ deadline: 0 });
    expect(closed.toSorted()).toEqual(["1", "2"]);
    await expect(stream.text()).rejects.toThrow();
  });

  test("cannot say a word about health any more", async () => {
    const reporters: ((reason: string) => void)[] = [];
    const reporting = quickPlugin("reporting", (proxy) => {
      const reporter = proxy.reporter("r");
      reporters.push((reason) => reporter.down("mem://a", reason));
    });
    const proxy = await openProxy({ plugins: [mem, reporting] });
    await proxy.reload();
    reporters[0]?.("from the grave");
    expect(proxy.pools()[0]?.verdicts("mem://a")).toEqual([]);
    reporters[1]?.("from the living");
    expect(proxy.pools()[0]?.verdicts("mem://a")).toMatchObject([{ reason: "from the living" }]);
  });
});

test("several problems of a reload are all told", async () => {
  const proxy = await openProxy({ plugins: [mem] });
  const config = { plugins: [mem, mem], port: -1, lmits: {} } as ProxyConfig;
  expect(await problemsOf(proxy.reload(config))).toHaveLength(2);
});
