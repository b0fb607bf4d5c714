import { defineSelector, type Plugin } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { describe, expect, test } from "vitest";
import { down, first, open } from "./stage.ts";

const fast: AliasOptions = {
  fast: { targets: [{ model: "qwen3-8b" }], synonyms: ["quick", "rapid/1"] },
};

describe("provider/model", () => {
  const targets = {
    a: { models: ["x", "org/x"], labels: { provider: "one" } },
    b: { models: ["x"], labels: { provider: "two" } },
    c: { labels: { provider: "any" } },
    d: { models: ["special"], labels: { provider: "any" } },
  };
  const ask = async (name: string, ...plugins: Plugin[]) =>
    (await open({ targets, plugins: [first(), alias(fast), ...plugins] })).ask(name);

  test.each([
    ["one/x", "a", "x"],
    ["two/x", "b", "x"],
    ["one/org/x", "a", "org/x"],
    ["b/x", "b", "x"],
    ["any/whatever", "c", "whatever"],
    ["any/org/whatever", "c", "org/whatever"],
    ["any/special", "c", "special"],
    ["d/special", "d", "special"],
  ])("%s goes to %s as %s", async (name, target, upstream) => {
    expect(await ask(name)).toMatchObject({ status: 200, target, model: upstream });
  });

  test.each([
    "one/y",
    "One/x",
    "one/X",
    "none/x",
    "one/",
    "/x",
    "one",
    "one//x",
    "http://one/x",
    "d/other",
    "__proto__/x",
  ])("%s is unknown", async (name) => {
    expect(await ask(name)).toMatchObject({ status: 404, code: "model_not_found" });
  });

  test("goes to all targets of the provider that serve the model, those that list none included", async () => {
    const { ask: askIt, seen } = await open({ targets, plugins: [roundRobin(), alias()] });
    for (let i = 0; i < 4; i++) await askIt("any/special");
    expect(seen.map(({ target }) => target).toSorted()).toEqual(["c", "c", "d", "d"]);
  });

  test("comes after aliases and synonyms", async () => {
    const options = {
      "one/x": { targets: [{ model: "x", provider: "two" }], synonyms: ["any/x"] },
    };
    const { ask: askIt } = await open({ targets, plugins: [first(), alias(options)] });
    expect(await askIt("one/x")).toMatchObject({ target: "b", model: "x" });
    expect(await askIt("any/x")).toMatchObject({ target: "b", model: "x" });
  });

  test("comes before the plugin model", async () => {
    const { ask: askIt } = await open({
      targets: { org: { models: ["y"] }, b: { models: ["org/y"] } },
      plugins: [first(), model(), alias()],
    });
    expect(await askIt("org/y")).toMatchObject({ target: "org", model: "y" });
  });

  test("that no provider serves is left to the plugin model", async () => {
    expect(await ask("org/x", model())).toMatchObject({ status: 200, target: "a", model: "org/x" });
    const { ask: askIt } = await open({
      targets: { a: { models: ["org/x"] } },
      plugins: [first(), alias(), model()],
    });
    expect(await askIt("org/x")).toMatchObject({ target: "a", model: "org/x" });
  });

  test("is a 503 when the provider's targets are down", async () => {
    expect(await ask("one/x", down("a"))).toMatchObject({ status: 503, code: "no_targets" });
  });

  test("makes routes for what targets list, not for what clients ask for", async () => {
    let routes = 0;
    const create = () => {
      routes += 1;
      return { pick: (candidates: readonly { id: string }[]) => candidates[0] as never };
    };
    const { ask: askIt } = await open({
      targets,
      plugins: [defineSelector({ name: "counting", create })(), alias()],
    });
    await askIt("any/0");
    const before = routes;
    for (let i = 1; i < 50; i++) expect(await askIt(`any/${i}`)).toMatchObject({ target: "c", model: `${i}` });
    for (let i = 0; i < 50; i++) expect(await askIt(`one/${i}`)).toMatchObject({ status: 404 });
    expect(routes).toBe(before);
  });
});
