import { createProxy, type Plugin } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { fakeTimers } from "../fake-timers.ts";
import { keptLog } from "../kept-log.ts";
import { memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { deferred, within } from "../../wire/waiting.ts";

const boom = (): never => {
  throw new Error("boom");
};

/** A plugin that writes down what is done with it. */
function diary(name: string, log: string[]): Plugin {
  return quickPlugin(name, (proxy) => {
    log.push(`${name} setup`);
    proxy.provide("discovery", name, { start: () => void log.push(`${name} discovers`) });
    proxy.every(60_000, () => void log.push(`${name} immediate`), { immediate: true });
    proxy.onReady(() => void log.push(`${name} ready`));
    proxy.onClose(() => void log.push(`${name} closes`));
    proxy.signal.addEventListener("abort", () => void log.push(`${name} aborted`));
  });
}

test("a config comes up step by step, and goes down the other way round", async () => {
  const log: string[] = [];
  const proxy = await createProxy({ plugins: [diary("a", log), diary("b", log)] });
  expect(log.splice(0)).toEqual([
    "a setup",
    "b setup",
    "a discovers",
    "b discovers",
    "a immediate",
    "b immediate",
    "a ready",
    "b ready",
  ]);
  await proxy.close();
  expect(log).toEqual(["a aborted", "b aborted", "b closes", "a closes"]);
});

test("targets that were discovered are there when plugins get ready", async () => {
  const seen: string[] = [];
  const ready = quickPlugin("ready", (proxy) => {
    proxy.onReady(() => void seen.push(...proxy.pool().snapshot.available.map(({ id }) => id)));
  });
  await openProxy({ plugins: [ready, memUpstream()] });
  expect(seen).toEqual(["mem://a"]);
});

test("what an immediate task found out holds when plugins get ready", async () => {
  const seen: number[] = [];
  const probe = quickPlugin("probe", (proxy) => {
    const reporter = proxy.reporter("probe");
    proxy.every(60_000, () => reporter.down("mem://a", "broken"), { immediate: true });
    proxy.onReady(() => void seen.push(proxy.pool().snapshot.available.length));
  });
  await openProxy({ plugins: [probe, memUpstream()] });
  expect(seen).toEqual([0]);
});

describe("a start that fails", () => {
  test.each([
    ["discovery", quickPlugin("guilty", (proxy) => proxy.provide("discovery", "d", { start: boom }))],
    [
      "discovery, later",
      quickPlugin("guilty", (proxy) => proxy.provide("discovery", "d", { start: async () => boom() })),
    ],
    ["onReady", quickPlugin("guilty", (proxy) => proxy.onReady(boom))],
  ])("in %s closes what was opened", async (_what, guilty) => {
    const log: string[] = [];
    await expect(createProxy({ plugins: [diary("a", log), guilty] })).rejects.toThrow("boom");
    expect(log).toContain("a aborted");
    expect(log.at(-1)).toBe("a closes");
  });

  test.each([
    ["discovery", quickPlugin("guilty", (proxy) => proxy.provide("discovery", "guilty", { start: boom }))],
    ["onReady", quickPlugin("guilty", (proxy) => proxy.onReady(boom))],
    ["a selector's create", quickPlugin("guilty", (proxy) => proxy.provide("selector", "guilty", { create: boom }))],
  ])("in %s says whose fault it was", async (_what, guilty) => {
    await expect(createProxy({ plugins: [memUpstream(), guilty] })).rejects.toThrow(/guilty.*boom/);
  });
});

describe("closing", () => {
  test("goes on when a plugin fails to close, and says so", async () => {
    const { log, lines } = keptLog();
    const closed: string[] = [];
    const guilty = quickPlugin("guilty", (proxy) => proxy.onClose(boom));
    const other = quickPlugin("other", (proxy) => proxy.onClose(() => void closed.push("other")));
    await (await createProxy({ plugins: [other, guilty] }, { log })).close();
    expect(closed).toEqual(["other"]);
    expect(lines).toEqual([expect.stringMatching(/^error: plugin guilty failed to close: Error: boom/)]);
  });

  test("goes on when a transport fails to close, and says so", async () => {
    const { log, lines } = keptLog();
    const guilty = quickPlugin("guilty", (proxy) =>
      proxy.provide("transport", "guilty", { schemes: ["guilty"], send: boom, close: boom }),
    );
    await expect((await createProxy({ plugins: [guilty] }, { log })).close()).resolves.toBeUndefined();
    expect(lines).toEqual([expect.stringContaining("Error: boom")]);
  });

  test("waits for plugins that take time to close, one after the other", async () => {
    const log: string[] = [];
    const slow = quickPlugin("slow", (proxy) =>
      proxy.onClose(async () => {
        await new Promise((resolve) => setImmediate(resolve));
        log.push("slow");
      }),
    );
    const fast = quickPlugin("fast", (proxy) => proxy.onClose(() => void log.push("fast")));
    await (await createProxy({ plugins: [fast, slow] })).close();
    expect(log).toEqual(["slow", "fast"]);
  });

  test("stops tasks: none runs after it", async () => {
    const clock = fakeTimers();
    let runs = 0;
    const proxy = await createProxy({
      plugins: [quickPlugin("p", (setup) => setup.every(10, () => void (runs += 1), { immediate: true }))],
    });
    await clock.pass(10);
    expect(runs).toBe(2);
    await proxy.close();
    await clock.pass(1_000);
    expect(runs).toBe(2);
  });

  test("ends a reload that waits for something: the signal tells it", async () => {
    const waiting = deferred();
    const stuck = quickPlugin("stuck", (proxy) =>
      proxy.provide("discovery", "stuck", {
        start: (_sink, signal) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(new Error("aborted")));
            onTestFinished(() => reject(new Error("the test is over")));
            waiting.resolve();
          }),
      }),
    );
    const proxy = await createProxy({ plugins: [] });
    const reload = proxy.reload({ plugins: [stuck] }).catch((error: unknown) => String(error));
    await waiting.promise;
    await within(proxy.close(), "the proxy is closed", 1_000);
    expect(await reload).toContain("aborted");
  });
});
