import { describe, expect, test, vi } from "vitest";
import { defineSelector, type Plugin, type Target } from "plugboard";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { seededRandom, type SelectorSuite, testSelector } from "plugboard/testing";
import { faceOf, lowest, selector, weighted, withWeight } from "./broken-selectors.ts";
import { failures } from "./failures.ts";

// Each test runs a whole suite.
vi.setConfig({ testTimeout: 30_000 });

const fails = (create: () => Plugin, law: NonNullable<SelectorSuite["law"]>) =>
  failures((run) => testSelector({ test: run, create, law }));

describe("the law proportional fails", () => {
  const claims = (create: () => Plugin) => fails(create, "proportional");
  const uneven = "picks in proportion to the weights 1 : 5 : 1";
  const even = "picks in proportion to the weights 1 : 1 : 1";

  test("turns without weights", async () => {
    const plain = selector(() => {
      let next = 0;
      return { pick: (targets) => targets[next++ % targets.length] };
    });
    expect(await claims(plain)).toEqual(
      expect.arrayContaining([
        uneven,
        "never picks a target of weight 0 while another has a weight",
        "stays in proportion while discovery shuffles the list",
      ]),
    );
  });

  test("weights that count only when the first target has one", async () => {
    const firstDecides = selector(() => {
      const next = seededRandom(1);
      return {
        pick: (targets) =>
          targets[0]?.weight === 1 ? targets[Math.floor(next() * targets.length)] : byWeight(targets, next()),
      };
    });
    const failed = await claims(firstDecides);
    expect(failed).toContain(uneven);
    expect(failed).toContain("keeps to the weights when the first that is up has none of its own");
    expect(failed).not.toContain("picks in proportion to the weights 5 : 1 : 1");
  });

  test("faces of a target that share one weight", async () => {
    const byId = selector((_pool, { random: next }) => ({
      pick(targets) {
        const point = next();
        const weights = new Map(withWeight(targets).map(({ id, weight }) => [id, weight]));
        return byWeight(
          withWeight(targets).filter(({ id, weight }) => weights.get(id) === weight),
          point,
        );
      },
    }));
    expect(await claims(byId)).toContain("gives each face of a target the part of its own weight");
  });

  test("turns that are owed by name in a plain object", async () => {
    const owing = selector(() => {
      const owed: Record<string, number> = {};
      return {
        pick(targets) {
          const total = withWeight(targets).reduce((sum, { weight }) => sum + (weight || 1), 0);
          for (const target of withWeight(targets)) {
            owed[faceOf(target).trim()] = (owed[faceOf(target).trim()] ?? 0) + (target.weight || 1) / total;
          }
          const picked = lowest(targets, (target) => -owed[faceOf(target).trim()]!);
          owed[faceOf(picked).trim()]! -= 1;
          return picked;
        },
      };
    });
    expect(await claims(owing)).toContain("stays in proportion among targets whose names every object knows");
  });

  test("always the first on a miss", async () => {
    expect(await claims(defineSelector({ name: "first", pick: weighted }))).toEqual(
      expect.arrayContaining([even, uneven]),
    );
  });

  test("turns that start over when the list changes", async () => {
    const forgetful = selector(() => {
      let known: readonly Target[] = [];
      let next = 0;
      return {
        pick(targets) {
          if (targets !== known) next = 0;
          known = targets;
          return byTurns(targets, next++);
        },
      };
    });
    expect(await claims(forgetful)).toEqual(
      expect.arrayContaining([
        "stays in proportion while targets come and go",
        "stays in proportion while one target comes and goes with every pick",
        "stays in proportion when one target fails and its requests are tried elsewhere",
      ]),
    );
  });

  test("a newcomer that catches up with the others", async () => {
    const flooding = selector(() => {
      const seen = new Map<string, number>();
      return {
        pick(targets) {
          const picked = targets.reduce((a, b) =>
            (seen.get(b.id) ?? 0) * a.weight < (seen.get(a.id) ?? 0) * b.weight ? b : a,
          );
          seen.set(picked.id, (seen.get(picked.id) ?? 0) + 1);
          return picked;
        },
      };
    });
    expect(await claims(flooding)).toContain("gives a newcomer no more than its part");
  });
});

describe("the law ordered fails", () => {
  test("turns", async () => {
    expect(await fails(() => roundRobin(), "ordered")).toContain("picks the first of the list, each time");
  });

  test("one that stays with the spare", async () => {
    const sticky = selector(() => {
      let last: Target | undefined;
      return {
        pick: (targets) => (last = last !== undefined && targets.includes(last) ? last : weighted(targets)),
      };
    });
    expect(await fails(sticky, "ordered")).toEqual(
      expect.arrayContaining([
        "picks the next in order when the first is gone, and the first when it is back",
        "follows the list when its order changes",
      ]),
    );
  });

  test("one that prefers weight or idleness", async () => {
    expect(await fails(() => leastConnections(), "ordered")).toContain(
      "passes over weight 0, and heeds no other weight or load",
    );
  });
});

test("several laws may be claimed at once, and one twice", async () => {
  const names: string[] = [];
  // Not by `find`, whose function is an object for each pick.
  const create = selector(() => ({ pick: (targets) => (targets[0]?.weight === 0 ? weighted(targets) : targets[0]) }));
  testSelector({ test: (name) => names.push(name), create, law: ["ordered", "frugal", "ordered"] });
  expect(names).toEqual([...new Set(names)]);
  expect(await fails(create, ["ordered", "frugal"])).toEqual([]);
});

function byWeight(targets: readonly Target[], point: number): Target | undefined {
  let rest = point * targets.reduce((sum, { weight }) => sum + weight, 0);
  return targets.find(({ weight }) => (rest -= weight) < 0) ?? targets[0];
}

function byTurns(targets: readonly Target[], turn: number): Target | undefined {
  const length = targets.reduce((sum, { weight }) => sum + Math.min(10, Math.ceil(weight)), 0);
  let rest = turn % (length || targets.length);
  return targets.find(({ weight }) => (rest -= length === 0 ? 1 : Math.min(10, Math.ceil(weight))) < 0);
}
