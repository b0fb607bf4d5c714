import fc from "fast-check";
import { expect, test } from "vitest";
import { order, type Ordered } from "../../../core/generation/order.ts";

interface Place {
  readonly before?: readonly string[];
  readonly after?: readonly string[];
}

/** Hooks of one phase in config order. */
function hooks(places: Readonly<Record<string, Place>>): Ordered[] {
  return Object.entries(places).map(([plugin, { before = [], after = [] }], index) => ({
    plugin,
    index,
    before,
    after,
  }));
}

function sorted(places: Readonly<Record<string, Place>>): string[] {
  return order("request", hooks(places)).map(({ plugin }) => plugin);
}

test("without wishes the order is the config's", () => {
  expect(sorted({ c: {}, a: {}, b: {} })).toEqual(["c", "a", "b"]);
});

test.each([
  ["after moves a plugin behind the one it names", { a: { after: ["c"] }, b: {}, c: {} }, ["b", "c", "a"]],
  ["before moves the others behind", { a: {}, b: {}, c: { before: ["a"] } }, ["b", "c", "a"]],
  ["a wish that is met already changes nothing", { a: {}, b: { after: ["a"] }, c: {} }, ["a", "b", "c"]],
  ["wishes hold through others", { a: { after: ["b"] }, b: { after: ["c"] }, c: {} }, ["c", "b", "a"]],
  ["absent plugins are ignored", { a: { after: ["z"] }, b: { before: ["y"] } }, ["a", "b"]],
  ["a plugin that names itself is not a cycle", { a: { before: ["a"], after: ["a"] }, b: {} }, ["a", "b"]],
] as const)("%s", (_what, places, expected) => {
  expect(sorted(places)).toEqual(expected);
});

test("two instances of one plugin keep their order, and both stand where the wish says", () => {
  const twice = [...hooks({ a: { after: ["c"] } }), ...hooks({ a: { after: ["c"] }, c: {} })];
  const list = order("request", twice);
  expect(list.map(({ plugin }) => plugin)).toEqual(["c", "a", "a"]);
  expect(list[1]).toBe(twice[0]);
});

test("the list that was given is left as it was", () => {
  const given = hooks({ a: { after: ["b"] }, b: {} });
  order("request", given);
  expect(given.map(({ plugin }) => plugin)).toEqual(["a", "b"]);
});

test.each([
  ["two", { a: { before: ["b"] }, b: { before: ["a"] } }, 'hooks of phase "request" wait for each other', "a", "b"],
  ["two, said from one side", { a: { before: ["b"], after: ["b"] }, b: {} }, "wait for each other", "a", "b"],
  ["three", { a: { after: ["b"] }, b: { after: ["c"] }, c: { after: ["a"] } }, "wait for each other", "b", "c"],
] as const)("a cycle of %s is refused and names its members", (_what, places, message, one, other) => {
  expect(() => sorted(places)).toThrow(message);
  expect(() => sorted(places)).toThrow(new RegExp(`\\b${one} before\\b`));
  expect(() => sorted(places)).toThrow(new RegExp(`\\b${other} before\\b`));
});

test("a cycle is told in the direction in which its members wait, and without those who only wait behind it", () => {
  const places = { waiting: { after: ["a"] }, a: { after: ["b"] }, b: { after: ["c"] }, c: { after: ["a"] } };
  // a waits for b, b for c, c for a.
  expect(() => sorted(places)).toThrow(
    /: (?:c before b before a before c|b before a before c before b|a before c before b before a);/,
  );
  expect(() => sorted(places)).not.toThrow(/waiting before|before waiting/);
});

test("any wishes without a cycle are met, and plugins without one stay in config order", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  // Wishes that point from a random permutation's earlier members to its later ones cannot be a cycle.
  const cases = fc.tuple(
    fc.shuffledSubarray(names, { minLength: 6 }),
    fc.array(fc.tuple(fc.nat(5), fc.nat(5), fc.boolean())),
    fc.shuffledSubarray(names, { minLength: 6 }),
  );
  fc.assert(
    fc.property(cases, ([config, pairs, truth]) => {
      const wishes = pairs.map(([i, j, byAfter]) => ({
        first: truth[Math.min(i, j)] as string,
        second: truth[Math.max(i, j)] as string,
        byAfter,
      }));
      const list = sorted(
        Object.fromEntries(
          config.map((name) => [
            name,
            {
              before: wishes.filter((w) => !w.byAfter && w.first === name).map((w) => w.second),
              after: wishes.filter((w) => w.byAfter && w.second === name).map((w) => w.first),
            },
          ]),
        ),
      );
      expect(list.toSorted()).toEqual(names);
      for (const { first, second } of wishes) {
        if (first !== second) expect(list.indexOf(first)).toBeLessThan(list.indexOf(second));
      }
      if (wishes.length === 0) expect(list).toEqual(config);
    }),
  );
});
