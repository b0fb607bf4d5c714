import { describe, expect, test } from "vitest";
import { defineSelector, type Plugin, type Target } from "plugboard";
import { inOrder } from "plugboard/plugins/select/in-order";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { random } from "plugboard/plugins/select/random";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { seededRandom, type SelectorLaw, testSelector } from "plugboard/testing";
import { selector, weighted } from "./broken-selectors.ts";
import { failures } from "./failures.ts";

const fails = (create: () => Plugin, law: SelectorLaw) => failures((run) => testSelector({ test: run, create, law }));

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
    expect(failed).not.toContain("picks in proportion to the weights 5 : 1 : 1");
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

describe("the law least fails", () => {
  const claims = (create: () => Plugin) => fails(create, "least");
  const least = (targets: readonly Target[], load: (target: Target) => number) =>
    targets
      .filter(({ weight }) => weight > 0)
      .reduce<Target | undefined>((a, b) => (a === undefined || load(b) < load(a) ? b : a), undefined) ?? targets[0];

  test("one that does not count", async () => {
    expect(await claims(() => inOrder())).toContain("picks the one with the fewest requests under way");
  });

  test("one that knows no weights", async () => {
    const unweighted = selector(() => ({
      pick: (targets) => least(targets, ({ live }) => live.inflight),
    }));
    expect(await claims(unweighted)).toEqual(
      expect.arrayContaining([
        "sets requests under way against the weight",
        "fills targets in proportion to their weights",
      ]),
    );
  });

  test("one that always gives equals to the first", async () => {
    const first = selector(() => ({
      pick: (targets) => least(targets, ({ live, weight }) => (Math.max(0, live.inflight) + 1) / weight),
    }));
    expect(await claims(first)).toContain("lets those alike take turns, be it all of them or a few");
  });

  test("one that begins one further each time, which favours who stands behind the busy", async () => {
    const turning = selector(() => {
      let from = 0;
      return {
        pick(targets) {
          const start = from++ % targets.length;
          return least(
            [...targets.slice(start), ...targets.slice(0, start)],
            ({ live, weight }) => (Math.max(0, live.inflight) + 1) / weight,
          );
        },
      };
    });
    expect(await claims(turning)).toContain("lets those alike take turns, be it all of them or a few");
  });

  test("one that draws at random when its least busy target is gone", async () => {
    const lost = selector((pool) => ({
      pick(targets) {
        const best = least(
          pool.snapshot.all.length > 0 ? pool.snapshot.all : targets,
          ({ live }) => live.inflight,
        ) as Target;
        return targets.includes(best) ? best : targets[0];
      },
    }));
    expect(await claims(lost)).toContain("picks the second when the least busy one has left the list");
  });

  test("one that takes a count below zero at its word", async () => {
    const trusting = selector(() => ({
      pick: (targets) => least(targets, ({ live, weight }) => (live.inflight + 1) / weight),
    }));
    expect(await claims(trusting)).toContain("does not take a count below zero for less than nothing");
  });

  test("chance", async () => {
    expect(await claims(() => random({ random: seededRandom(1) }))).toContain(
      "fills targets in proportion to their weights",
    );
  });
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
