import { expect, test } from "vitest";
import { createProxy } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { alias } from "plugboard/plugins/resolve/alias";
import { inOrder } from "plugboard/plugins/select/in-order";
import { named } from "plugboard/plugins/select/named";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { testPlugin, testSelector } from "plugboard/testing";

const create = () => named("turns", roundRobin());

testSelector({ test, create, law: ["proportional", "frugal"] });

testPlugin({
  test,
  create,
  badOptions: [
    { options: { name: "Cheap First", selector: inOrder() }, says: "name: Expected a name in lower case with hyphens" },
    { options: { name: "", selector: inOrder() }, says: "name: Expected a name in lower case with hyphens" },
    { options: { name: "cheap", selector: "in-order" }, says: "selector: Expected a selector such as" },
  ],
});

const targets = staticTargets({
  targets: [
    { id: "a", url: "http://127.0.0.1:8001", models: ["m"] },
    { id: "b", url: "http://127.0.0.1:8002", models: ["m"] },
  ],
});

test("is what aliases choose their selector by", async () => {
  const aliases = {
    first: { targets: [{ model: "m" }], selector: "first-of-all" },
    turns: { targets: [{ model: "m" }], selector: "by-turns" },
  };
  const plugins = [targets, alias(aliases), named("first-of-all", inOrder()), named("by-turns", roundRobin())];
  const proxy = await createProxy({ plugins });
  try {
    for (const [model, selector] of [
      ["first", "first-of-all"],
      ["turns", "by-turns"],
    ] as const) {
      const { route } = await proxy.explain({ body: JSON.stringify({ model }) });
      expect(route?.selector).toBe(selector);
    }
  } finally {
    await proxy.close();
  }
});

test("refuses two of one name", async () => {
  const plugins = [targets, named("same", inOrder()), named("same", roundRobin())];
  await expect(createProxy({ plugins })).rejects.toThrow('selector "same" is provided twice');
});

test("refuses a plugin that provides no selector", async () => {
  const aliases = { m: { targets: [{ model: "m" }], selector: "odd" } };
  const config = {
    plugins: [targets, alias(aliases), named("odd", staticTargets({ targets: ["http://127.0.0.1:9"] }))],
  };
  await expect(createProxy(config)).rejects.toThrow("was given plugin static-targets, which provides no selector");
});
