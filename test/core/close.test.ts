import { createProxy, type Plugin } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { fakeTimers } from "./fake-timers.ts";
import { type MemCall, memUpstream } from "./mem-upstream.ts";
import { hooks, quickPlugin } from "./quick-plugin.ts";
import { deferred, within } from "../wire/waiting.ts";
import { outcomeLog } from "./exchange/outcome-log.ts";

/** An upstream that has taken a request and says nothing. */
function silent(): { plugin: Plugin; calls: MemCall[]; begun: Promise<void> } {
  const calls: MemCall[] = [];
  const begun = deferred();
  const plugin = memUpstream((call) => {
    calls.push(call);
    call.sink.connected();
    begun.resolve();
  });
  return { plugin, calls, begun: begun.promise };
}

describe("close", () => {
  test("of a proxy that never listened is done at once", async () => {
    const proxy = await createProxy({ plugins: [memUpstream()] });
    await within(proxy.close(), "the proxy is closed", 500);
  });

  test("twice is one close, and the second ends at once what the first waits for", async () => {
    const { plugin, begun } = silent();
    const closed: string[] = [];
    const closing = quickPlugin("closing", (setup) => setup.onClose(() => void closed.push("closed")));
    const proxy = await createProxy({ plugins: [plugin, closing] });
    const { url } = await proxy.listen();
    const response = fetch(url);
    await begun;
    const first = proxy.close({ deadline: 60_000 });
    expect(proxy.status().draining).toBe(true);
    await within(Promise.all([first, proxy.close()]), "the proxy is closed", 2_000);
    expect((await response).status).toBe(503);
    expect(closed).toEqual(["closed"]);
    await proxy.close();
    expect(closed).toEqual(["closed"]);
  });

  test("waits for what is under way, and no longer than its deadline", async () => {
    const { plugin, calls, begun } = silent();
    const log = outcomeLog();
    const proxy = await createProxy({ plugins: [plugin, log.plugin] });
    const { url } = await proxy.listen();
    const response = await Promise.all([fetch(url), begun.then(() => proxy.close({ deadline: 60 }))]);
    expect(response[0].status).toBe(503);
    expect(response[0].headers.get("x-proxy-error")).toBe("draining");
    expect(calls[0]?.aborted).toBeDefined();
    expect(log.attempts).toMatchObject([{ kind: "local", error: { code: "draining" } }]);
    expect(log.ends).toMatchObject([{ kind: "local", status: 503, error: { code: "draining" } }]);
  });

  test("tells observers of all that it ended, before plugins are closed", async () => {
    const { plugin, begun } = silent();
    const events: string[] = [];
    const observer = quickPlugin("observer", (setup) => {
      setup.onClose(() => void events.push("close"));
      return {
        end: () => void events.push("end"),
        attemptEnd: () => void events.push("attemptEnd"),
      };
    });
    const proxy = await createProxy({ plugins: [plugin, observer] });
    const { url } = await proxy.listen();
    const response = fetch(url).catch(() => {});
    await begun;
    await proxy.close({ deadline: 0 });
    await response;
    expect(events).toEqual(["attemptEnd", "end", "close"]);
  });

  test("ends an exchange whose plugin never answers", async () => {
    const begun = deferred();
    const stuck = hooks({
      admit() {
        begun.resolve();
        return new Promise(() => {});
      },
    });
    const proxy = await createProxy({ plugins: [memUpstream(), stuck] });
    const { url } = await proxy.listen();
    const response = fetch(url);
    await begun.promise;
    await within(proxy.close({ deadline: 0 }), "the proxy is closed", 2_000);
    expect((await response).status).toBe(503);
  });

  test("serves nothing after it", async () => {
    const { plugin, calls } = silent();
    const proxy = await createProxy({ plugins: [plugin] });
    await proxy.close();
    const response = await within(
      proxy.fetch(new Request("http://proxy/")).catch(() => undefined),
      "the request is refused",
      1_000,
    );
    expect(response?.status ?? 503).toBe(503);
    expect(calls).toEqual([]);
  });
});

describe("createProxy that is refused leaves nothing open", () => {
  test("no task, no discovery goes on", async () => {
    const signals: AbortSignal[] = [];
    let runs = 0;
    const busy = quickPlugin("busy", (setup) => {
      setup.every(1, () => void (runs += 1));
      setup.provide("discovery", "busy", { start: (_sink, signal) => void signals.push(signal) });
      setup.onReady(() => {
        throw new Error("boom");
      });
    });
    const clock = fakeTimers();
    await expect(createProxy({ plugins: [busy] })).rejects.toThrow("boom");
    expect(clock.pending()).toBe(0);
    await clock.pass(1_000);
    expect(runs).toBe(0);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  test("the signal of a setup that came before the one that failed aborts", async () => {
    const signals: AbortSignal[] = [];
    const first = quickPlugin("first", (setup) => void signals.push(setup.signal));
    const bad = quickPlugin("bad", () => {
      throw new Error("boom");
    });
    await expect(createProxy({ plugins: [first, bad] })).rejects.toThrow("boom");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});

test("two proxies of one config know nothing of each other", async () => {
  const reports: (() => void)[] = [];
  const reporting = quickPlugin("reporting", (setup) => {
    const reporter = setup.reporter("r");
    reports.push(() => reporter.down("mem://a", "broken"));
  });
  const plugins = [memUpstream(), reporting];
  const one = await createProxy({ plugins });
  const two = await createProxy({ plugins });
  onTestFinished(async () => {
    await one.close({ deadline: 0 });
    await two.close({ deadline: 0 });
  });
  reports[0]?.();
  await new Promise((resolve) => setImmediate(resolve));
  const get = async (proxy: typeof one): Promise<number> => (await proxy.fetch(new Request("http://proxy/"))).status;
  expect([await get(one), await get(two)]).toEqual([503, 200]);
  expect(two.pools()[0]?.snapshot.all[0]?.live.requests).toBe(1);
  await one.close();
  expect(await get(two)).toBe(200);
});
