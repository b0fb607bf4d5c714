import { createProxy, type Plugin, type Proxy, type ProxyConfig, type Reporter } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { memUpstream, sayOk } from "../mem-upstream.ts";
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

interface Probed {
  readonly plugins: readonly Plugin[];
  /** What the reporter of a generation says of the target. */
  say(generation: number, what: "down" | "up"): void;
}

function probed(): Probed {
  const reporters: Reporter[] = [];
  const probe = quickPlugin("probe", (proxy) => void reporters.push(proxy.reporter("probe")));
  return {
    plugins: [mem, probe],
    say(generation, what) {
      if (what === "up") reporters[generation]?.up("mem://a");
      else reporters[generation]?.down("mem://a", "broken");
    },
  };
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

  test("what it said under a name that the running one uses is forgotten too", async () => {
    const { say, plugins } = probed();
    const doomed = quickPlugin("doomed", (proxy) =>
      proxy.onReady(() => {
        say(1, "down");
        boom();
      }),
    );
    const proxy = await openProxy({ plugins });
    await expect(proxy.reload({ plugins: [...plugins, doomed] })).rejects.toThrow("boom");
    expect(proxy.pools()[0]?.verdicts("mem://a")).toEqual([]);
  });

  test("what the running one said is not taken back by it", async () => {
    const { say, plugins } = probed();
    const doomed = quickPlugin("doomed", (proxy) =>
      proxy.onReady(() => {
        say(1, "up");
        boom();
      }),
    );
    const proxy = await openProxy({ plugins });
    say(0, "down");
    await expect(proxy.reload({ plugins: [...plugins, doomed] })).rejects.toThrow("boom");
    expect(proxy.pools()[0]?.verdicts("mem://a")).toMatchObject([{ reporter: "probe", reason: "broken" }]);
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

test("several problems of a reload are all told", async () => {
  const proxy = await openProxy({ plugins: [mem] });
  const config = { plugins: [mem, mem], port: -1, lmits: {} } as ProxyConfig;
  expect(await problemsOf(proxy.reload(config))).toHaveLength(2);
});

test("what a plugin keeps outlives its generation, and is its own", async () => {
  const seen: unknown[] = [];
  const keeping = (name: string): Plugin =>
    quickPlugin(name, (proxy) => {
      seen.push(proxy.keep("value", () => ({ made: name })));
    });
  const config = { plugins: [mem, keeping("one"), keeping("two")] };
  const proxy = await openProxy(config);
  await proxy.reload(config);
  expect(seen).toEqual([{ made: "one" }, { made: "two" }, { made: "one" }, { made: "two" }]);
  expect(seen[2]).toBe(seen[0]);
});
