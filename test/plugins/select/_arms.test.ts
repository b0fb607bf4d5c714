import { describe, expect, test } from "vitest";
import { inOrder } from "plugboard/plugins/select/in-order";
import { split, type SplitSettings } from "plugboard/plugins/select/split";
import { fakeExchange, fakePool, selectorOf } from "plugboard/testing";
import { armOf, arms, bound, picking } from "./split-arms.ts";

describe("by a key", () => {
  const users = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
  const by = "header:X-User-Id";

  /** Which arm each user is in. */
  async function place(shares: Record<string, number>, groups = "a b c d", settings: SplitSettings = { by }) {
    const pick = await picking(arms(groups), { shares, ...settings });
    return users.map((user) => armOf(pick({ headers: { "x-user-id": user } })));
  }

  test("a user stays in one arm, over instances and whatever is picked between", async () => {
    const once = await place({ a: 1, b: 2 });
    expect(await place({ a: 1, b: 2 }, "b a a b")).toEqual(once);
  });

  test("the arms have their shares of the users", async () => {
    const placed = await place({ a: 5, b: 95 });
    const canary = placed.filter((arm) => arm === "a").length;
    expect(Math.abs(canary - 1_000)).toBeLessThanOrEqual(bound(20_000, 0.05));
  });

  test.each([
    [{ a: 5, b: 95 }, { a: 10, b: 90 }, "a"],
    [{ a: 0.05, b: 0.95 }, { a: 10, b: 95 }, "a"],
    [{ b: 95, a: 5 }, { b: 90, a: 10 }, "a"],
    [{ a: 10, b: 90 }, { a: 5, b: 95 }, "b"],
  ])("a change from %o to %o moves users to %s only, and no more than it has to", async (from, to, grown) => {
    const before = await place(from);
    const after = await place(to);
    const moved = users.flatMap((_, i) => (before[i] === after[i] ? [] : [after[i]]));
    expect(new Set(moved)).toEqual(new Set([grown]));
    expect(Math.abs(moved.length - 1_000)).toBeLessThanOrEqual(bound(20_000, 0.05));
  });

  test("when an arm is empty only its users move, to the others in their proportion", async () => {
    const shares = { a: 1, b: 2, c: 4, d: 1 };
    const before = await place(shares);
    const after = await place(shares, "a c d");
    const moved = users.flatMap((_, i) => (before[i] === after[i] ? [] : [[before[i], after[i]]]));
    expect(new Set(moved.map(([from]) => from))).toEqual(new Set(["b"]));
    const toC = moved.filter(([, to]) => to === "c").length;
    expect(Math.abs(toC - (moved.length * 4) / 6)).toBeLessThanOrEqual(bound(moved.length, 4 / 6));
  });

  test("the key may come from a function", async () => {
    const direct = await place({ a: 1, b: 1 });
    expect(await place({ a: 1, b: 1 }, "a b", { by: (x) => x.headers["x-user-id"] as string })).toEqual(direct);
  });

  test("requests without the value are drawn", async () => {
    const values: unknown[] = [undefined, "", 5, null, {}];
    for (const value of values) {
      const points = [0, 0.9, 0];
      const options = { shares: { a: 1, b: 1 }, by: () => value as string, random: () => points.shift()! };
      const pick = await picking(arms("a b"), options);
      expect([armOf(pick()), armOf(pick()), armOf(pick())]).toEqual(["a", "b", "a"]);
    }
  });

  test("explains the arm of the request, and that the others are not", async () => {
    const targets = arms("a b");
    const selector = await selectorOf(split({ a: 1, b: 1 }, { by, inner: inOrder() }), fakePool(targets));
    const x = fakeExchange({ headers: { "x-user-id": "user-1" } });
    const picked = selector.pick(targets, x);
    const scores = selector.explain?.(targets, x) ?? [];
    expect(scores.find(({ id }) => id === picked?.id)).toMatchObject({
      score: 1,
      note: `arm ${armOf(picked)}, this request's; the first in order`,
    });
    expect(scores.find(({ id }) => id !== picked?.id)).toMatchObject({ score: 0 });
  });
});
