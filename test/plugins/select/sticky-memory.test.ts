import { describe, expect, test } from "vitest";
import type { Target } from "plugboard";
import { inOrder } from "plugboard/plugins/select/in-order";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { fakeExchange, fakeOutcome } from "plugboard/testing";
import { seededState } from "../../../core/testing/plugin.ts";
import type { Seat } from "../../../plugins/select/_seats.ts";
import { by, end, fresh } from "./sticky-rig.ts";

describe("what it remembers", () => {
  test("is forgotten when a session was not heard of for the time to live, and not before", async () => {
    let time = 0;
    const { targets, selector } = await fresh(3, { ttl: 1_000, now: () => time });
    end(selector, targets[2], "a");
    time = 900;
    end(selector, targets[2], "a");
    time = 1_900;
    expect(selector.pick(targets, by("a"))?.id).toBe("t3");
    time = 1_901;
    expect(selector.pick(targets, by("a"))?.id).toBe("t1");
  });

  test("makes room for the newest by the one not heard of for longest", async () => {
    const { targets, selector } = await fresh(3, { max: 2 }, inOrder());
    for (const name of ["a", "b", "a", "c"]) end(selector, targets[2], name);
    expect(["a", "b", "c"].map((name) => selector.pick(targets, by(name))?.id)).toEqual(["t3", "t1", "t3"]);
  });

  test("is not more than asked for, whoever comes", async () => {
    const state = seededState();
    const { targets, selector } = await fresh(3, { max: 100 }, roundRobin(), state);
    for (let i = 0; i < 1_000; i++) end(selector, targets[i % 3], `s${i}`.padEnd(i, "x"));
    selector.attemptEnd?.(targets[1] as Target, fakeOutcome(), fakeExchange());
    const seats = state.keep("sticky route", () => new Map<number, Seat>());
    expect(seats.size).toBe(100);
    expect(Math.max(...[...seats.values()].map(({ key }) => key.text.length))).toBeLessThan(200);
  });

  test("is kept over a reload of the config, and so that it can be copied", async () => {
    const state = seededState();
    const { targets, selector } = await fresh(3, {}, roundRobin(), state);
    end(selector, targets[2], "a");
    for (const next of [state, Object.assign(seededState(), { keep: state.copies() })]) {
      const after = await fresh(3, {}, roundRobin(), next);
      expect(after.selector.pick(after.targets, by("a"))?.id).toBe("t3");
    }
  });
});
