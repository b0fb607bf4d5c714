import assert from "node:assert/strict";
import { defineSelector, type Plugin } from "plugboard";
import { expect, test } from "vitest";
import type { RouteTest } from "../../../core/route-tests/define.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";
import { outcomes, runTests } from "./_tables.ts";

const request = { path: "/" };
const leastLoaded: Plugin = defineSelector({
  name: "least-loaded",
  pick: (all) => all.reduce((a, b) => (b.live.inflight < a.live.inflight ? b : a)),
})();

test("the state of a target is up and idle, unless a test says otherwise", async () => {
  expect(
    await outcomes([
      { request, expect: { attempts: ["gpu-1", "gpu-2"] } },
      { request, targets: { "gpu-1": { down: "no answer" } }, expect: { dropped: { "gpu-1": /: no answer$/ } } },
      { request, targets: { "gpu-1": { down: true } }, expect: { dropped: { "gpu-1": /: down$/ }, target: "gpu-2" } },
      {
        request,
        targets: { "gpu-1": { coolingDown: 42 } },
        expect: { dropped: { "gpu-1": "cooling down, for 42 s" } },
      },
      { request, targets: { "gpu-1": { coolingDown: 0, down: false } }, expect: { target: "gpu-1" } },
    ]),
  ).toEqual([true, true, true, true, true]);
});

test("the state of a target does not outlive its test", async () => {
  expect(
    await outcomes([
      { request, targets: { "gpu-1": { down: true, inflight: 9 } }, expect: { target: "gpu-2" } },
      { request, expect: { attempts: ["gpu-1", "gpu-2"] } },
    ]),
  ).toEqual([true, true]);
});

test("the state of a target tells when the first is back, if each is out for a time", async () => {
  const seen = hooks({ error: (_, { retryAfter }) => ({ status: 503, body: String(retryAfter) }) });
  const targets = { "gpu-1": { coolingDown: 60 }, "gpu-2": { coolingDown: 30 } };
  const isBackIn30: RouteTest["expect"] = ({ reply }) =>
    assert.deepEqual(reply, { status: 503, code: "cooling_down", body: "30" });
  const forGood = { "gpu-1": { coolingDown: 60, down: true }, "gpu-2": { down: true } };
  expect(
    await outcomes(
      [
        { request, targets, expect: isBackIn30 },
        { request, targets: forGood, expect: { status: 503, code: "no_targets" } },
      ],
      [seen],
    ),
  ).toEqual([true, true]);
});

test("the state of a target has attempts under way, which selectors hear of", async () => {
  const heard: string[] = [];
  const listener = quickPlugin("listener", (proxy) => {
    proxy.pool().onLoad(({ inflight }) => heard.push(String(inflight)));
  });
  const targets = { "gpu-1": { inflight: 2 }, "gpu-2": { inflight: 1 } };
  expect(await outcomes([{ request, targets, expect: { target: "gpu-2" } }], [leastLoaded, listener])).toEqual([true]);
  expect(heard).toEqual(["1", "2", "1"]);
});

test("the state of a target of the table holds for all tests, and a test adds to it key by key", async () => {
  const table = { targets: { "gpu-1": { inflight: 5, down: true } } };
  const { results } = await runTests(
    [
      { request, expect: { target: "gpu-2" } },
      { request, targets: { "gpu-1": { down: false } }, expect: { target: "gpu-2" } },
      { request, targets: { "gpu-1": { down: false }, "gpu-2": { inflight: 6 } }, expect: { target: "gpu-1" } },
    ],
    [leastLoaded],
    table,
  );
  expect(results.map(({ ok }) => ok)).toEqual([true, true, true]);
});

test("the state of a target of a target that nobody has is a mistake of the file, once for the table", async () => {
  const { mistakes } = await runTests(
    [
      { request, expect: { target: "gpu-1" } },
      { request, targets: { "gpu-22": { down: true } }, expect: { target: "gpu-1" } },
    ],
    [],
    { targets: { nobody: { inflight: 1 }, cloud: { inflight: 1 } } },
  );
  expect(mistakes).toMatchObject([
    { path: "targets.nobody", message: "no target has the id nobody" },
    { path: "tests.1.targets.gpu-22", message: "no target has the id gpu-22; did you mean gpu-2?" },
  ]);
});
