import { describe, expect, test, vi } from "vitest";
import type { Plugin, Target } from "plugboard";
import { testSelector } from "plugboard/testing";
import { faceOf, hash, selector, weighted, withWeight } from "./broken-selectors.ts";
import { byKey, down, drawn, keyless, keyOf, lawFailures, moves, oneTarget, rendezvous } from "./by-key.ts";

vi.setConfig({ testTimeout: 30_000 });

const other = "sends each key to the same target in another instance, and whatever the order of the list";
const newcomer = "gives a newcomer keys, its part of them, and moves no key between the others";
const home = "lets keys come home when their target is back";
const replaced = "forgets a target that another replaces, and moves no other key for it";
const again = "tries a key again at one other target, and goes home after that";
const weights = "gives targets keys in proportion to their weights";
const faces = "gives each face of a target keys in proportion to its own weight";

const fails = (create: () => Plugin) =>
  lawFailures(create, "consistent", [other, newcomer, home, replaced, again, weights, faces]);

describe("the law consistent", () => {
  test("holds for rendezvous hashing", async () => {
    expect(await fails(byKey(() => (key, targets) => rendezvous(key, targets)))).toEqual([]);
  });

  test("needs to know how a request carries a key", () => {
    expect(() =>
      testSelector({ test: () => undefined, create: selector(() => ({ pick: weighted })), law: "consistent" }),
    ).toThrow("needs the option exchange");
  });

  const broken: readonly (readonly [string, () => Plugin, readonly string[]])[] = [
    [
      "chance",
      byKey((tools) => (_key, targets) => drawn(targets, tools)),
      [oneTarget, moves, down, other, newcomer, home, replaced, again, weights, faces],
    ],
    [
      "the remainder of a hash",
      byKey(() => (key, targets) => withWeight(targets)[Math.floor(hash(key) * withWeight(targets).length)]),
      [moves, down, other, newcomer, weights, faces],
    ],
    [
      "a hash of the place in the list",
      byKey(() => (key, targets) => rendezvous(key, targets, (target) => `${targets.indexOf(target)}`)),
      [moves, down, other],
    ],
    [
      "a hash that is salted anew in each process",
      byKey(() => {
        const salt = Math.random();
        return (key, targets) => rendezvous(`${salt}${key}`, targets);
      }),
      [other],
    ],
    [
      "a hash without weights",
      byKey(() => (key, targets) => rendezvous(key, targets, faceOf, () => 1)),
      [weights, faces],
    ],
    [
      "weights that count only when the first has one",
      byKey(
        () => (key, targets) =>
          rendezvous(key, targets, faceOf, (target) => (targets[0]?.weight === 1 ? 1 : target.weight)),
      ),
      [weights],
    ],
    [
      "a hash of the id, which two faces share",
      byKey(() => (key, targets) => rendezvous(key, targets, ({ id }) => id)),
      [faces],
    ],
    [
      "a ring that is not made anew when a target leaves",
      byKey(() => {
        let ring: readonly Target[] = [];
        return (key, targets) => {
          if (ring.length < targets.length || !targets.every((target) => ring.includes(target))) ring = targets;
          const picked = rendezvous(key, ring);
          return targets.includes(picked) ? picked : weighted(targets);
        };
      }),
      [moves],
    ],
    [
      "a spare that keeps what it got",
      byKey(() => {
        const last = new Map<string, string>();
        return (key, targets, x) => {
          const picked = targets.find((target) => faceOf(target) === last.get(key) && target.weight > 0);
          const found = picked ?? rendezvous(key, targets);
          if (x.tried.length === 0) last.set(key, faceOf(found));
          return found;
        };
      }),
      [newcomer, home],
    ],
    [
      "a home that is wherever it went last, be it for a retry",
      byKey(() => {
        const retried = new Map<string, string>();
        return (key, targets, x) => {
          const found = rendezvous(key, targets);
          if (x.tried.length > 0) retried.set(key, faceOf(found));
          return targets.find((target) => faceOf(target) === retried.get(key)) ?? found;
        };
      }),
      [again],
    ],
    [
      "a retry that draws",
      byKey((tools) => (key, targets, x) => (x.tried.length > 0 ? drawn(targets, tools) : rendezvous(key, targets))),
      [again],
    ],
    [
      "the first target where there is no key",
      selector(() => ({
        pick: (targets, x) => (keyOf(x) === undefined ? weighted(targets) : rendezvous(keyOf(x) ?? "", targets)),
      })),
      [keyless],
    ],
    [
      "one hash for all that have no key",
      selector(() => ({ pick: (targets, x) => rendezvous(keyOf(x) ?? "", targets) })),
      [keyless],
    ],
  ];

  for (const [what, create, names] of broken) {
    test(`does not hold for ${what}`, async () => {
      expect(await fails(create)).toEqual(names);
    });
  }
});
