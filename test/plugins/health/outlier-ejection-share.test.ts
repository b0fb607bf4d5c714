import { expect, test } from "vitest";
import { definePlugin, type DiscoverySink } from "plugboard";
import { eventually } from "../../e2e/eventually.ts";
import { eject, otherReporter, outliers, says } from "./outliers.ts";

test.each<[number, number, number]>([
  [1, 0.5, 1],
  [2, 0.5, 1],
  [3, 0.1, 2],
  [4, 0.5, 2],
  [3, 1, 1],
])("of %i targets and a share of %d, %i stay", async (size, share, left) => {
  const ids = ["a", "b", "c", "d"].slice(0, size);
  const proxy = await outliers(ids, { consecutive: 1, share });
  for (const id of ids) {
    proxy.answers.set(id, says(502));
    await proxy.askTimes(id, 2);
  }
  await eventually(() => expect(proxy.available()).toHaveLength(left));
  expect(proxy.log).toHaveLength(size - left);
});

test("the last target that another reporter leaves stays", async () => {
  const other = otherReporter();
  const proxy = await outliers(["a", "b"], { consecutive: 1 }, { plugins: [other.plugin] });
  other.takeDown("b");
  await proxy.turned("b", false);
  proxy.answers.set("a", says(502));
  await proxy.askTimes("a", 3);
  expect(proxy.log).toEqual([]);
});

test("the last target of the route that a request took stays, whatever the pool has", async () => {
  const onlyA = definePlugin({
    name: "only-a",
    setup(setup) {
      const route = setup.createRoute({ name: "a", candidates: (all) => all.filter(({ id }) => id === "a") });
      return { resolve: () => route };
    },
  });
  const proxy = await outliers(["a", "b", "c", "d"], { consecutive: 1 }, { plugins: [onlyA()] });
  proxy.answers.set("a", says(502));
  await proxy.askTimes("a", 3);
  expect(proxy.log).toEqual([]);
});

test("the last target of any pool stays, whichever pool the request came by", async () => {
  const elsewhere = definePlugin({
    name: "elsewhere",
    setup(setup) {
      const start = (sink: DiscoverySink): void => sink.replace([{ id: "a", url: "http://127.0.0.1:9" }]);
      setup.provide("discovery", "elsewhere", { pool: "other", start });
    },
  });
  const proxy = await outliers(["a", "b"], { consecutive: 1 }, { plugins: [elsewhere()] });
  proxy.answers.set("a", says(502));
  await proxy.askTimes("a", 3);
  expect(proxy.log).toEqual([]);
});

test("panic takes back who is out when too few are left", async () => {
  const other = otherReporter();
  const all = await outliers(["a", "b", "c", "d"], { consecutive: 1, panic: "all" }, { plugins: [other.plugin] });
  for (const id of ["a", "b"]) {
    all.answers.set(id, says(502));
    await all.ask(id);
  }
  await eventually(() => expect(all.available()).toEqual(["c", "d"]));
  other.takeDown("c");
  await eventually(() => expect(all.available()).toEqual(["a", "b", "d"]));
  other.takeDown("d");
  await eventually(() => expect(all.available()).toEqual(["a", "b"]));
  await all.ask("a");
  expect(all.available()).toEqual(["a", "b"]);
});

test("without panic those that are out stay out", async () => {
  const other = otherReporter();
  const proxy = await outliers(["a", "b"], { consecutive: 1 }, { plugins: [other.plugin] });
  await eject(proxy, "a");
  other.takeDown("b");
  await proxy.turned("b", false);
  expect(await proxy.ask("a")).toBe(503);
});
