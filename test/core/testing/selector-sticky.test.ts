import { describe, expect, test, vi } from "vitest";
import type { Plugin, Selector, SelectorTools, Target } from "plugboard";
import { faceOf, lowest, selector, weighted } from "./broken-selectors.ts";
import { byKey, down, drawn, keyless, keyOf, lawFailures, moves, oneTarget, rendezvous } from "./by-key.ts";

vi.setConfig({ testTimeout: 30_000 });

const stays = "moves no key when a target comes";
const spread = "spreads new keys: none gets more than twice its part";
const underWay = "spreads new keys whose requests are all under way";
const flood = "does not flood a target that comes with all that is new";

const fails = (create: () => Plugin) => lawFailures(create, "sticky", [stays, spread, underWay, flood]);

describe("the law sticky", () => {
  const drawing = (create: (tools: SelectorTools) => Choose) => remembering(create);

  test("holds for one that remembers, and draws for new keys", async () => {
    expect(await fails(drawing((tools) => (targets) => drawn(targets, tools)))).toEqual([]);
  });

  const broken: readonly (readonly [string, () => Plugin, readonly string[]])[] = [
    ["one that forgets", byKey((tools) => (_key, targets) => drawn(targets, tools)), [oneTarget, moves, down, stays]],
    [
      "one that remembers too few keys",
      remembering((tools) => (targets) => drawn(targets, tools), 50),
      [oneTarget, moves, down, stays],
    ],
    ["one that moves keys to whoever comes", byKey(() => (key, targets) => rendezvous(key, targets)), [stays]],
    ["the first replica for whatever is new", drawing(() => weighted), [moves, spread, underWay, flood]],
    [
      "the smallest memory for whatever is new",
      drawing(() => (targets, sizes) => lowest(targets, (target) => sizes.get(faceOf(target)) ?? 0)),
      [flood],
    ],
    [
      "the first target where there is no key",
      selector((_pool, tools) => {
        const { pick } = remember((targets) => drawn(targets, tools));
        return { pick: (targets, x) => (keyOf(x) === undefined ? weighted(targets) : pick(targets, x)) };
      }),
      [keyless],
    ],
  ];

  for (const [what, create, names] of broken) {
    test(`does not hold for ${what}`, async () => {
      expect(await fails(create)).toEqual(names);
    });
  }
});

type Choose = (targets: readonly Target[], sizes: ReadonlyMap<string, number>) => Target | undefined;

function remembering(create: (tools: SelectorTools) => Choose, max = Infinity): () => Plugin {
  return selector((_pool, tools) => {
    const { pick } = remember(create(tools), max);
    return { pick: (targets, x) => (keyOf(x) === undefined ? drawn(targets, tools) : pick(targets, x)) };
  });
}

function remember(choose: Choose, max = Infinity): Selector {
  const homes = new Map<string, Target>();
  return {
    pick(targets, x) {
      const key = keyOf(x) ?? "";
      const known = homes.get(key);
      const found = known && targets.find((target) => faceOf(target) === faceOf(known));
      if (found !== undefined && found.weight > 0) return found;
      const sizes = new Map<string, number>();
      for (const target of homes.values()) sizes.set(faceOf(target), (sizes.get(faceOf(target)) ?? 0) + 1);
      const chosen = choose(targets, sizes);
      if (chosen !== undefined) homes.set(key, chosen);
      if (homes.size > max) homes.delete(homes.keys().next().value ?? "");
      return chosen;
    },
  };
}
