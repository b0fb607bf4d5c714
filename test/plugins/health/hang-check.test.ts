import { expect, test } from "vitest";
import { hangCheck } from "plugboard/plugins/health/hang-check";
import { testHealth, testPlugin } from "plugboard/testing";
import { eventually } from "../../e2e/eventually.ts";
import { busy, hung, isUp, metrics, type Shown, watched } from "./hanging.ts";
import { upstream } from "./started.ts";

testPlugin({
  test,
  create: () => hangCheck({ counters: ["steps_total"], busy: ["running"], now: () => 0 }),
  badOptions: [
    { options: { interval: 0 }, says: "interval" },
    { options: { grace: 0 }, says: "grace" },
    { options: { fall: 1.5 }, says: "fall: Expected a whole number" },
    { options: { path: "metrics" }, says: "path: Expected a path such as /metrics" },
    { options: { timeout: -1 }, says: "timeout" },
    { options: { maxBytes: 0 }, says: "maxBytes" },
    { options: { pool: "" }, says: "pool: Expected the name of a pool" },
    { options: { counters: [] }, says: "counters: Expected one name or more" },
    { options: { counters: ['steps{engine="0"}'] }, says: "counters.0: Expected the name of a sample, without labels" },
    { options: { busy: ["a b"] }, says: "busy.0" },
    { options: { now: 5 }, says: "now: Expected a function that returns milliseconds" },
    { options: { gracee: 5 }, says: 'did you mean "grace"?' },
  ],
});

/** Laws of probing; the others of the suite take a failed answer for a sick target, which is not so here. */
const laws: ReadonlySet<string> = new Set([
  "leaves a body without end soon",
  "does not let a target that hangs hold back the others",
  "forgets a target that has left",
  "ends a probe that is under way when the proxy closes",
  "ends the probes of a config that a reload has replaced",
  "does not probe after the proxy has closed",
]);
const tested: string[] = [];
testHealth({
  test(name, run) {
    if (!laws.has(name)) return;
    tested.push(name);
    test(name, run);
  },
  create: ({ path, interval, timeout }) => hangCheck({ path, interval, timeout }),
});

test("the suite has the laws of probing", () => {
  expect(new Set(tested)).toEqual(laws);
});

test("takes an engine down that stands still with work, beyond the grace and in `fall` readings on end", async () => {
  const engine = await watched(busy);
  await eventually(() => expect(engine.ups).toContain(false));
  // Still for 11, 12 and 13 seconds at the 12th to 14th reading.
  expect(engine.ups.indexOf(false)).toBe(14);
  expect(engine.pool().verdicts("a")).toEqual([
    {
      reporter: "hang-check",
      reason: "no step for 13 s with 4 requests at hand",
      since: expect.any(Number),
      until: Infinity,
    },
  ]);
});

test.each<[string, Shown]>([
  ["only wait", { steps: 5, waiting: 1 }],
  ["only run", { steps: 5, running: 1 }],
  ["are there and no step was ever made", { steps: 0, running: 1 }],
])("an engine hangs whose requests %s", async (_, shown) => {
  const engine = await watched(shown);
  await eventually(() => expect(isUp(engine)).toBe(false));
});

test.each<[string, Shown]>([
  ["a step is counted", { steps: 6, running: 3 }],
  ["no work is left", { steps: 5 }],
  ["the count falls, as it does with a new process", { steps: 1, running: 3 }],
])("is up again as soon as %s", async (_, shown) => {
  const engine = await hung();
  engine.answer = shown;
  await eventually(() => expect(isUp(engine)).toBe(true));
  expect(engine.log).toEqual([
    "warn: target a hangs: no step for 13 s with 4 requests at hand",
    "info: target a hangs no more",
  ]);
});

test("an engine that stands still for less than the grace, however often, is up", async () => {
  let readings = 0;
  const engine = await watched((_request, response) => {
    readings += 1;
    response.end(metrics({ steps: Math.floor(readings / 10), running: 1 }));
  });
  await engine.readings(60);
  expect(engine.ups).not.toContain(false);
});

test("an engine without work may stand still for ever", async () => {
  const engine = await watched({ steps: 5 });
  await engine.readings(40);
  expect(engine.ups).not.toContain(false);
});

test("the grace begins with the work, not with the last step", async () => {
  const engine = await watched({ steps: 5 });
  await engine.readings(20);
  engine.answer = busy;
  const before = engine.ups.length;
  await engine.readings(8);
  expect(isUp(engine)).toBe(true);
  await eventually(() => expect(engine.ups).toContain(false));
  expect(engine.ups.indexOf(false) - before).toBeGreaterThanOrEqual(12);
});

test("a reload does not begin the grace anew", async () => {
  const engine = await watched(busy);
  await engine.readings(8);
  await engine.proxy.reload();
  await eventually(() => expect(engine.ups).toContain(false));
  // A reading of the old config may have been cut off, and one of each may have come together.
  expect(engine.ups.indexOf(false)).toBeLessThanOrEqual(17);
});

test("a hung target stays down over a reload", async () => {
  const engine = await hung();
  await engine.proxy.reload();
  const before = engine.ups.length;
  await engine.readings(3);
  expect(engine.ups.slice(before)).not.toContain(true);
});

test("a target that has moved begins anew", async () => {
  const engine = await hung();
  const moved = await upstream((_request, response) => void response.end(metrics({ steps: 5, running: 3 })));
  engine.replace([{ id: "a", url: moved.url }]);
  await eventually(() => expect(isUp(engine)).toBe(true));
});
