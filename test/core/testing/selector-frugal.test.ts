import { describe, expect, test, vi } from "vitest";
import type { Plugin, Selector } from "plugboard";
import { testSelector } from "plugboard/testing";
import { selector, withWeight } from "./broken-selectors.ts";
import { failures } from "./failures.ts";

// One that fails is measured for as long as the engine might take to compile it.
vi.setConfig({ testTimeout: 30_000 });

describe("the law frugal", () => {
  const frugal = "allocates at most 16 bytes per pick among 100 targets";
  const claims = (create: () => Plugin) =>
    failures((run) =>
      testSelector({ test: (name, body) => name === frugal && run(name, body), create, law: "frugal" }),
    );
  const first: Selector["pick"] = (targets) => targets[0];

  test("holds for nothing, for chance, and for a number in a box", async () => {
    expect(await claims(selector(() => ({ pick: first })))).toEqual([]);
    const byChance = selector((_pool, { random: next }) => ({
      pick: (targets) => targets[Math.floor((next() + next()) * 0.5 * targets.length)],
    }));
    expect(await claims(byChance)).toEqual([]);
    const boxing = selector(() => {
      const boxes: { at: number | undefined } = { at: undefined };
      let time = 0;
      return { pick: (targets) => targets[(boxes.at = time += 0.1) > 0 ? 0 : 1] };
    });
    expect(await claims(boxing)).toEqual([]);
  });

  const wasteful: readonly (readonly [string, () => Selector["pick"]])[] = [
    ["a list for each pick", () => (targets) => withWeight(targets)[0]],
    [
      "an object for each pick, even one of a single field",
      () => {
        let last = { length: 0 };
        return (targets) => {
          last = { length: targets.length };
          return targets[last.length - 1];
        };
      },
    ],
    [
      "a key made of strings for each pick",
      () => {
        const places = new Map<string, number>();
        return (targets, x) => targets[places.get(`${x.model ?? ""} ${x.ip ?? ""}`) ?? 0];
      },
    ],
    [
      "a number for each target",
      () => {
        const loads: unknown[] = [""];
        return (targets) => {
          for (const [i, { weight }] of targets.entries()) loads[i + 1] = weight / 7;
          return targets[0];
        };
      },
    ],
  ];
  test.each(wasteful)("fails %s", async (_what, create) => {
    expect(await claims(selector(() => ({ pick: create() })))).toEqual([frugal]);
  });
});
