import { definePlugin, defineSelector, type Exchange, type Plugin, type Route, type Target } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { fakeExchange, servicesOf, testSelector } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { createLeaf, type Owners } from "../../../plugins/resolve/_alias-candidates.ts";
import { createPlanSelector } from "../../../plugins/resolve/_alias-plan.ts";
import type { Plan } from "../../../plugins/resolve/_alias-tree.ts";
import { first, open } from "./stage.ts";

describe.each([
  ["round-robin", roundRobin],
  ["least-connections", leastConnections],
])("the selector of a plan of %s keeps the laws of every selector", (_, inner) => {
  // Of every three targets one is the alias's own, and the others are those of another that stands beside it.
  const planned = definePlugin({
    name: "planned",
    async setup(proxy) {
      const none: Owners = new WeakMap();
      const [own, other] = ["own", "other"].map((model) => createLeaf({ path: ["a"], model }, none));
      const [value] = (await servicesOf("selector", [inner()])).values();
      if (own === undefined || other === undefined || value === undefined) throw new Error("never");
      const behind: Plan = { alias: "b", groups: [{ name: undefined, selector: { value }, members: [other] }] };
      const members = [own, { plan: behind, weight: 2 }];
      const plan: Plan = { alias: "a", groups: [{ name: undefined, selector: { value }, members }] };
      const owners = { get: ({ id }: Target) => (Number(id.slice(1)) % 3 === 0 ? own : other) } as Owners;
      proxy.provide("selector", "planned", createPlanSelector(plan, owners));
    },
  });
  testSelector({ test, create: () => planned() });
});

interface Spy {
  readonly plugin: Plugin;
  readonly said: string[];
  readonly lists: (readonly Target[])[];
}

/** Picks the first, and writes down what it is told. */
function spy(name: string): Spy {
  const said: string[] = [];
  const lists: (readonly Target[])[] = [];
  const plugin = defineSelector({
    name,
    create(_pool, _options, { route }) {
      said.push(`made for ${route}`);
      return {
        pick(targets) {
          lists.push(targets);
          return targets[0];
        },
        update: ({ all }) => void said.push(`update of ${all.length}`),
        attemptStart: ({ id }) => void said.push(`start ${id}`),
        attemptEnd: ({ id }, { kind }) => void said.push(`end ${id} ${kind}`),
      };
    },
  });
  return { plugin: plugin(), said, lists };
}

const targets = { a: { models: ["x"] }, b: { models: ["y"] }, c: { models: ["z"] } };

async function withSpies() {
  const [outer, next, inner] = [spy("outer"), spy("next"), spy("inner")];
  const options: AliasOptions = {
    fast: {
      groups: [
        { targets: [{ alias: "cheap" }], selector: outer.plugin },
        { targets: [{ model: "z" }], selector: next.plugin },
      ],
      retry: { nonIdempotent: true },
    },
    cheap: { targets: [{ model: "x" }, { model: "y" }], selector: inner.plugin },
  };
  const routes: Route[] = [];
  const look = definePlugin({
    name: "look",
    setup: () => ({ admit: (x: Exchange) => void (x.route && routes.push(x.route)) }),
  });
  const stage = await open({ targets, plugins: [first(), alias(options), look()], broken: ["a"] });
  return { ...stage, outer, next, inner, routes };
}

test("each selector of a plan is made under a name of its own, for its route", async () => {
  const { outer, next, inner, ask } = await withSpies();
  await ask("cheap");
  expect([outer, next, inner].map(({ said }) => said.filter((each) => each.startsWith("made")))).toEqual([
    ["made for fast"],
    ["made for fast#2"],
    ["made for fast>cheap", "made for cheap"],
  ]);
});

test("the selectors on the way to a target hear of its attempts, and of each change all do", async () => {
  const { ask, outer, next, inner } = await withSpies();
  await ask("fast");
  await expect.poll(() => outer.said.at(-1)).toBe("end b ok");
  const heard = ({ said }: Spy): string[] => said.filter((each) => !each.startsWith("made"));
  const attempts = ["update of 3", "start a", "end a reset", "start b", "end b ok"];
  expect(heard(outer)).toEqual(attempts);
  expect(heard(inner)).toEqual(attempts);
  expect(heard(next)).toEqual(["update of 3"]);
});

test("the selectors see one list for as long as nothing changes, whatever retries come between", async () => {
  const { ask, outer, inner } = await withSpies();
  await ask("fast");
  await ask("fast");
  const whole = outer.lists.filter((list) => list.length === 2);
  expect(outer.lists).toHaveLength(4);
  expect(whole).toHaveLength(2);
  expect(whole[0]).toBe(whole[1]);
  expect(Object.isFrozen(whole[0])).toBe(true);
  const innerWhole = inner.lists.filter((list) => list.length === 2);
  expect(innerWhole[0]).toBe(innerWhole[1]);
});

test("a target says which model it is asked for, and what is picked is a candidate of the route", async () => {
  const { ask, outer, inner, routes } = await withSpies();
  await ask("fast");
  expect(outer.lists[0]?.map(({ id, model, weight }) => [id, model, weight])).toEqual([
    ["a", "x", 0.5],
    ["b", "y", 0.5],
  ]);
  const [route] = routes;
  const list = inner.lists[0] ?? [];
  expect(list.map(({ weight }) => weight)).toEqual([1, 1]);
  expect(list).toContain(route?.selector.pick(list, fakeExchange()));
});

test("the selectors see the whole list again as it was, after one without the targets that are full", async () => {
  const { inner, ask, routes } = await withSpies();
  await ask("cheap");
  await ask("fast");
  const selector = routes[1]?.selector;
  const { lists } = inner;
  const whole = [...(lists.at(-2) ?? [])];
  lists.length = 0;
  for (const list of [whole, whole.slice(1), whole]) selector?.pick(list, fakeExchange());
  expect(lists.map((list) => list.length)).toEqual([2, 1, 2]);
  expect(lists[2]).toBe(lists[0]);
});
