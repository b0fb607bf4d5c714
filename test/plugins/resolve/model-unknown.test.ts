import { definePlugin, defineSelector, type Target } from "plugboard";
import { model } from "plugboard/plugins/resolve/model";
import { describe, expect, test } from "vitest";
import { down, first, open } from "./stage.ts";

const targets = { a: { models: ["x"] } };
const message = "No healthy services available for model 'y'";
const gone = { status: 503, code: "no_targets", message };
const unknown = { status: 404, code: "model_not_found" };

describe("a model that no target serves", () => {
  test("does not exist where the config tells all targets", async () => {
    const { ask } = await open({ targets, plugins: [first(), model()] });
    expect(await ask("y")).toMatchObject(unknown);
    const off = await open({ targets, plugins: [first(), model({ unknown: 503 })] });
    expect(await off.ask("y")).toMatchObject(gone);
  });

  test("is not there at the moment where something finds targets at run time", async () => {
    const { ask, find } = await open({ targets, found: true, plugins: [first(), model()] });
    expect(await ask("y")).toMatchObject(gone);
    await find({ b: { models: ["y"] } });
    expect(await ask("y")).toMatchObject({ status: 200, target: "b" });
    const other = await open({ targets, found: true, plugins: [first(), model({ unknown: 404 })] });
    expect(await other.ask("y")).toMatchObject(unknown);
  });

  test("does not exist, whatever is found for another pool", async () => {
    const elsewhere = definePlugin({
      name: "elsewhere",
      setup: (proxy) => proxy.provide("discovery", "elsewhere", { pool: "there", start: () => {} }),
    });
    const { ask } = await open({ targets, plugins: [first(), model(), elsewhere()] });
    expect(await ask("y")).toMatchObject(unknown);
  });

  test("is not there in a pool without targets, as what it would serve is not known", async () => {
    for (const plugin of [model(), model({ unknown: 404 })]) {
      const { ask } = await open({ targets: {}, plugins: [first(), plugin] });
      expect(await ask("y")).toMatchObject(gone);
    }
  });

  test("is a 404 that says so when those that list it are switched off", async () => {
    const off = { a: { models: ["x"] }, b: { models: ["y"], enabled: false } };
    const { ask, find } = await open({ targets: off, found: true, plugins: [first(), model()] });
    expect(await ask("y")).toMatchObject({
      status: 404,
      code: "model_disabled",
      message: "No enabled providers available for model 'y'.",
    });
    await find({ ...off, any: {} });
    expect(await ask("y")).toMatchObject({ status: 200, target: "any" });
    await find({ b: off.b });
    expect(await ask("y")).toMatchObject({ status: 404, code: "model_disabled" });
    expect(await ask("z")).toMatchObject({ status: 503 });
  });

  test("is not taken for one whose targets are down", async () => {
    const { ask } = await open({ targets, plugins: [first(), model(), down("a")] });
    expect(await ask("x")).toMatchObject({ status: 503, code: "no_targets" });
    expect(await ask("y")).toMatchObject(unknown);
  });
});

test("routes are made for what targets list, not for what clients ask for", async () => {
  let routes = 0;
  const counting = defineSelector({
    name: "counting",
    create() {
      routes += 1;
      return { pick: (list) => list[0] };
    },
  });
  const { ask } = await open({
    targets: { a: { models: ["x"] }, any: {} },
    plugins: [counting(), model()],
  });
  await ask("x");
  const before = routes;
  for (let i = 0; i < 50; i++) expect(await ask(`model-${i}`)).toMatchObject({ target: "any" });
  expect(await ask("x")).toMatchObject({ target: "a" });
  expect(routes).toBe(before);
});

test("selectors see which model a target is asked for, where the route is for one", async () => {
  const lists: (readonly Target[])[] = [];
  const looking = defineSelector({
    name: "looking",
    pick(list) {
      lists.push(list);
      return list[0];
    },
  });
  const { ask } = await open({ targets: { a: { models: ["x", "y"] }, any: {} }, plugins: [looking(), model()] });
  for (const name of ["x", "y", "other", "x"]) await ask(name);
  expect(lists.map((list) => list.map((target) => target.model))).toEqual([
    ["x", "x"],
    ["y", "y"],
    [undefined],
    ["x", "x"],
  ]);
  expect(lists[3]).toBe(lists[0]);
});
