import { roundRobin } from "plugboard/plugins/select/round-robin";
import { expect, test } from "vitest";
import { checkConfig } from "../../core/check.ts";
import { fakeTimers } from "./fake-timers.ts";
import { memUpstream } from "./mem-upstream.ts";
import { hooks, quickPlugin } from "./quick-plugin.ts";

test("a config that is right is told by its plugins and the order of their hooks", async () => {
  const late = quickPlugin("late", () => ({ request: { handler: () => {}, after: ["early"] } }));
  const plugins = [late, hooks({ request: () => {} }, "early"), roundRobin()];
  expect(await checkConfig({ plugins })).toEqual({
    plugins: ["late", "early", "round-robin"],
    hooks: { request: ["early", "late"] },
    sites: [],
  });
});

test("a config may be a function that knows that it is only checked", async () => {
  const modes: string[] = [];
  await checkConfig(({ mode }) => {
    modes.push(mode);
    return { plugins: [] };
  });
  expect(modes).toEqual(["check"]);
});

test.each([
  ["options", { plugins: [], port: -1 }, "port"],
  [
    "a setup",
    {
      plugins: [
        quickPlugin("bad", () => {
          throw new Error("boom");
        }),
      ],
    },
    "setup failed: boom",
  ],
  ["links", { plugins: [quickPlugin("bad", (proxy) => void proxy.use("selector", "x"))] }, 'wants selector "x"'],
])("what is wrong with %s is told", async (_what, config, message) => {
  await expect(checkConfig(config)).rejects.toThrow(message);
});

test("nothing is discovered, run or made ready, and all is closed again", async () => {
  const log: string[] = [];
  const busy = quickPlugin("busy", (proxy) => {
    log.push(`setup in ${proxy.mode}`);
    proxy.provide("discovery", "busy", { start: () => void log.push("discovery") });
    proxy.every(1, () => void log.push("task"), { immediate: true });
    proxy.onReady(() => void log.push("ready"));
    proxy.onClose(() => void log.push("close"));
    proxy.signal.addEventListener("abort", () => void log.push("abort"));
  });
  const clock = fakeTimers();
  await checkConfig({ plugins: [busy, memUpstream()] });
  await clock.pass(1_000);
  expect(log).toEqual(["setup in check", "abort", "close"]);
});
