import { describe, expect, test, vi } from "vitest";
import { defineSelector, type Outcome, type Plugin } from "plugboard";
import { type Sample, type SelectorSuite, type Test, testSelector } from "plugboard/testing";
import { lowest, selector, weighted } from "./broken-selectors.ts";
import { failures } from "./failures.ts";
import { learner } from "./learner.ts";

// Each test runs a whole suite.
vi.setConfig({ testTimeout: 30_000 });

const sample = (speed: "fast" | "slow"): Sample => ({ outcome: { ttfb: speed === "fast" ? 20 : 400, duration: 500 } });

const fails = (create: () => Plugin, more: Partial<SelectorSuite> = {}) =>
  failures((run) => testSelector({ test: run, create, law: "measured", sample, ...more }));

/** Those of the law alone. */
const failsLaw = (create: () => Plugin, more: Partial<SelectorSuite> = {}) =>
  failures((run) => {
    const lawful: Test = (name, body) => measured.has(name) && run(name, body);
    testSelector({ test: lawful, create, law: "measured", sample, ...more });
  });

const fast = "prefers the target that was measured as fast";
const newest = "lets the newest attempts count, however many were before";
const unknown = "picks while nobody, or not everybody, was measured, and scores by numbers";
const zero = "divides by no time and no tokens that were measured as 0";
const herds = ["fast", "slow"].map(
  (speed) => `does not flood a target nobody measured among ${speed} ones: at most twice its part`,
);
const onlyFailed = "does not flood a target of which only failures are known";
const failure = "takes no failure of a target for a sign of speed";
const left = "takes no client that left for a sign of speed";
const refusal = "takes no refusal with 4xx for a sign of speed";
const error = "takes no error with 5xx for a sign of speed";
const below = "counts nothing below 0 after attempts that end more often than they began";
const anew = "learns from attempts to a target as it was before discovery gave it anew";
const faces = "tells faces of a target apart";
const reload = "still knows after a reload what it has learned";

const goodAnswer = ({ kind, status }: Outcome) => kind === "ok" && status < 400;

describe("the law measured", () => {
  test("holds for one that is careful about it", async () => {
    expect(await failsLaw(learner())).toEqual([]);
  });

  test("holds for ten lines on what core measures of each target", async () => {
    const quickest = defineSelector({
      name: "quickest",
      pick(targets) {
        const known = targets.map(({ live }) => live.ttfb).filter((ttfb) => ttfb > 0);
        const usual = known.toSorted((a, b) => a - b)[known.length >> 1] ?? 1;
        return lowest(targets, ({ live, weight }) => ((live.ttfb || usual) * (live.inflight + 1)) / weight);
      },
    });
    // Core's mean is of every response head, whatever it says, and one for all faces.
    expect(await fails(quickest)).toEqual([onlyFailed, failure, left, refusal, error, faces]);
  });

  test("holds for one that reads slots and a clock", async () => {
    let time = 0;
    const tokens = selector((_pool, { keep, slot }) => {
      const speeds = keep("speeds", () => new Map<string, { rate: number; at: number }>());
      const usage = slot<{ completionTokens: number }>("usage");
      const rateOf = (id: string) => speeds.get(id)?.rate;
      return {
        pick(targets) {
          const known = targets.flatMap(({ id }) => rateOf(id) ?? []).toSorted((a, b) => a - b);
          const usual = known[known.length >> 1] ?? 1;
          return lowest(targets, ({ id, live, weight }) => (live.inflight + 1) / (weight * (rateOf(id) ?? usual)));
        },
        attemptEnd({ id }, { kind, status, duration }, x) {
          const told = usage.get(x)?.completionTokens ?? 0;
          if (kind !== "ok" || status >= 400 || told === 0 || duration === 0) return;
          const old = speeds.get(id) ?? { rate: told / duration, at: time };
          const share = Math.exp(-(time - old.at) / 10_000);
          speeds.set(id, { rate: old.rate * share + (told / duration) * (1 - share), at: time });
        },
      };
    });
    const given: Partial<SelectorSuite> = {
      sample: (speed) => ({
        outcome: { ttfb: 20, duration: 1_000 },
        slots: { usage: { completionTokens: speed === "fast" ? 500 : 50 } },
      }),
      wait: (milliseconds) => void (time += milliseconds),
    };
    expect(await failsLaw(tokens, given)).toEqual([faces]);
  });

  test("needs to know how attempts differ", () => {
    expect(() => testSelector({ test: () => undefined, create: learner(), law: "measured" })).toThrow(
      "needs the option sample",
    );
  });

  const broken: readonly (readonly [string, () => Plugin, readonly string[]])[] = [
    [
      "one that does not learn",
      selector(() => ({ pick: weighted })),
      [fast, newest, zero, ...herds, onlyFailed, failure, left, refusal, error, below, anew, faces, reload],
    ],
    [
      "a window that keeps the oldest",
      learner({ add: (samples, added) => [...samples, added].slice(0, 10) }),
      [newest],
    ],
    ["a mean of all there ever was", learner({ add: (samples, added) => [...samples, added] }), [newest]],
    [
      "a mean that is of nothing where one has samples and another has none",
      learner({
        cold(known) {
          if (known.length === 1) throw new RangeError("division by zero");
          return 200;
        },
      }),
      [unknown, anew],
    ],
    ["a cold target that counts as the fastest", learner({ cold: () => 0 }), [...herds, onlyFailed]],
    [
      "failures that count as quick",
      learner({ counts: ({ kind, status }) => (kind === "client-abort" || kind === "status" ? false : status < 400) }),
      [onlyFailed, failure],
    ],
    [
      "clients that count as quick when they leave",
      learner({ counts: (outcome) => goodAnswer(outcome) || outcome.kind === "client-abort" }),
      [onlyFailed, left],
    ],
    ["refusals that count as quick", learner({ counts: ({ kind }) => kind === "ok" }), [refusal]],
    [
      "errors that count as quick",
      learner({ counts: ({ kind, status }) => kind === "status" || (kind === "ok" && status < 400) }),
      [error],
    ],
    ["a count that falls below 0", learner({ floor: -Infinity }), [below]],
    ["measures of an object that discovery replaces", learner({ keyOf: (target) => target }), [anew, reload]],
    ["one measure for all faces of a target", learner({ keyOf: ({ id }) => id }), [faces]],
    ["measures that a reload loses", learner({ kept: false }), [reload]],
    [
      "a division by no time, which no later sample mends",
      learner({
        sampleOf: ({ ttfb }) => (ttfb * ttfb) / ttfb,
        add: ([mean], added) => [(mean ?? added) * 0.9 + added * 0.1],
      }),
      [zero],
    ],
  ];

  for (const [what, create, cases] of broken) {
    test(`does not hold for ${what}`, async () => {
      expect(await failsLaw(create)).toEqual(cases);
    });
  }
});

const measured: ReadonlySet<string> = new Set([
  fast,
  newest,
  unknown,
  zero,
  ...herds,
  onlyFailed,
  failure,
  left,
  refusal,
  error,
  below,
  anew,
  faces,
  reload,
]);
