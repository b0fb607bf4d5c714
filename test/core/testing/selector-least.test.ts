import { describe, expect, test, vi } from "vitest";
import type { Plugin, Selector, Target } from "plugboard";
import { inOrder } from "plugboard/plugins/select/in-order";
import { random } from "plugboard/plugins/select/random";
import { seededRandom, type SelectorLaw, testSelector } from "plugboard/testing";
import { lowest, selector } from "./broken-selectors.ts";
import { failures } from "./failures.ts";

// Each test runs a whole suite.
vi.setConfig({ testTimeout: 30_000 });

const fails = (create: () => Plugin, law: SelectorLaw) => failures((run) => testSelector({ test: run, create, law }));

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

  test("one that takes no load for one that is not known", async () => {
    const wary = selector(() => ({
      pick: (targets) => least(targets, ({ live, weight }) => (live.inflight || 99) / weight),
    }));
    expect(await claims(wary)).toContain("picks one that has no load yet over one that has, on either side");
  });

  test("one that finds the face of its pick by the id", async () => {
    const byId = selector(() => ({
      pick(targets) {
        const best = least(targets, ({ live, weight }) => (live.inflight + 1) / weight);
        return targets.find(({ id, weight }) => id === best?.id && weight > 0) ?? best;
      },
    }));
    expect(await claims(byId)).toContain("sets the requests of a target against the weight of each of its faces");
  });

  test("one that looks at some of many only", async () => {
    const hasty = selector(() => {
      let from = 0;
      return {
        pick(targets) {
          from = (from + 7) % targets.length;
          const some = targets.length > 128 ? [...targets, ...targets].slice(from, from + 64) : targets;
          return least(some, ({ live, weight }) => (Math.max(0, live.inflight) + 1) / weight);
        },
      };
    });
    expect(await claims(hasty)).toEqual(
      expect.arrayContaining(["picks the least busy of many while attempts of other routes begin and end"]),
    );
  });

  test("one that orders many by what it was told of its own attempts", async () => {
    const deaf = selector(() => {
      const busy = new Map<string, number>();
      const add = (id: string, count: number) => void busy.set(id, Math.max(0, (busy.get(id) ?? 0) + count));
      return {
        pick: (targets) =>
          targets.length > 128
            ? lowest(targets, ({ id, weight }) => ((busy.get(id) ?? 0) + 1) / weight)
            : least(targets, ({ live, weight }) => (Math.max(0, live.inflight) + 1) / weight),
        attemptStart: ({ id }) => add(id, 1),
        attemptEnd: ({ id }) => add(id, -1),
      };
    });
    expect(await claims(deaf)).toContain("picks the least busy of many while attempts of other routes begin and end");
  });

  test("one that counts to three", async () => {
    const coarse = selector(() => ({
      pick: (targets) => least(targets, ({ live, weight }) => (Math.min(2, Math.max(0, live.inflight)) + 1) / weight),
    }));
    expect(await claims(coarse)).toContain("fills a thousand targets evenly");
  });

  test("chance", async () => {
    expect(await claims(() => random({ random: seededRandom(1) }))).toContain(
      "fills targets in proportion to their weights",
    );
  });
});

describe("the law best", () => {
  const best = "picks one of those that it scores best, whatever is under way and whoever comes and goes";
  const claims = async (create: () => Plugin) => (await fails(create, "best")).includes(best);
  const rated = (scoreOf: (target: Target) => number): Pick<Selector, "score"> => ({
    score: (targets, _x, into) => targets.forEach((target, i) => void (into[i] = scoreOf(target))),
  });
  const idle = ({ live }: Target) => 1 / (Math.max(0, live.inflight) + 1);

  test("holds for one that picks by its score, or by what it explains", async () => {
    const pick: Selector["pick"] = (targets) => lowest(targets, (target) => -idle(target));
    const explain: Selector["explain"] = (targets) =>
      targets.map((target) => ({ id: target.id, score: idle(target) - 1 }));
    expect(
      await fails(
        selector(() => ({ pick, ...rated(idle) })),
        "best",
      ),
    ).toEqual([]);
    expect(
      await fails(
        selector(() => ({ pick, explain })),
        "best",
      ),
    ).toEqual([]);
  });

  test("fails one that scores otherwise than it picks, or not at all", async () => {
    const pick: Selector["pick"] = (targets) => lowest(targets, (target) => idle(target));
    expect(await claims(selector(() => ({ pick, ...rated(idle) })))).toBe(true);
    expect(await claims(selector(() => ({ pick })))).toBe(true);
  });
});
