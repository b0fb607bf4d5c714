import { describe, expect, test } from "vitest";
import { configErrorOf } from "../config/config-error-of.ts";
import { ServiceTable } from "../../../core/generation/services.ts";

const relay = { match: () => true, create: () => ({ data: (chunk: Uint8Array) => chunk }) };
const other = { ...relay };

/** A table with relays of these names. */
function tableOf(...names: string[]): ServiceTable {
  const table = new ServiceTable();
  for (const [index, name] of names.entries()) table.provide("relay", name, relay, `plugin-${name}`, index);
  return table;
}

test("a service is found by kind and name, wherever its plugin stands in the config", () => {
  const table = new ServiceTable();
  const wanted = table.use("relay", "sse", "user", 0);
  table.provide("relay", "sse", relay, "provider", 1);
  table.link();
  expect(wanted.value).toBe(relay);
});

test("one name may be taken once per kind", () => {
  const table = tableOf("sse");
  table.provide("catalog", "sse", { models: () => [] }, "another", 1);
  const problem = configErrorOf(() => table.provide("relay", "sse", other, "second", 2));
  expect(problem.plugin).toBe("plugins[2] second");
  expect(problem.message).toBe('relay "sse" is provided twice: by plugins[0] plugin-sse and by this one');
  expect(problem.fix).toBe("remove one, or give it another name");
});

describe("a service that nobody provides is refused when the config is linked", () => {
  test.each([
    ["a near miss is guessed", ["sse", "usage"], "ses", 'did you mean "sse"?'],
    ["others are listed", ["sse", "usage"], "nothing-like-it", "provided: sse, usage"],
    ["without any, the kind is named", [], "sse", "add a plugin that provides a relay"],
  ])("%s", (_what, provided, wanted, fix) => {
    const table = tableOf(...provided);
    table.use("relay", wanted, "user", 7);
    const problem = configErrorOf(() => table.link());
    expect(problem.plugin).toBe("plugins[7] user");
    expect(problem.message).toBe(`wants relay "${wanted}", which no plugin of this config provides`);
    expect(problem.fix).toBe(fix);
  });

  test("though it is never read", () => {
    const table = tableOf();
    table.use("relay", "sse", "user", 0);
    expect(() => table.link()).toThrow("user");
  });
});

describe("reading before everything is linked", () => {
  test.each([
    ["use", (table: ServiceTable) => table.use("relay", "sse", "user", 3).value, 'relay "sse"'],
    ["useAll", (table: ServiceTable) => table.useAll("relay", "user", 3).value, 'relay "*"'],
  ])("%s: is refused, by the name of the reader", (_what, read, what) => {
    const problem = configErrorOf(() => void read(tableOf("sse")));
    expect(problem.plugin).toBe("plugins[3] user");
    expect(problem.message).toBe(`reads ${what} during setup, before it is linked`);
    expect(problem.fix).toContain("onReady");
  });

  test("does not spoil the reading after", () => {
    const table = tableOf("sse");
    const wanted = table.use("relay", "sse", "user", 3);
    expect(() => wanted.value).toThrow("before it is linked");
    table.link();
    expect(wanted.value).toBe(relay);
  });
});

test("all services of a kind come in config order, as one map that stays", () => {
  const table = tableOf("c", "a", "b");
  const all = table.useAll("relay", "user", 3);
  table.link();
  expect([...all.value.keys()]).toEqual(["c", "a", "b"]);
  expect(all.value).toBe(all.value);
});

test("all of a kind that nobody provides is an empty map", () => {
  const table = tableOf();
  const all = table.useAll("transport", "user", 0);
  table.link();
  expect(all.value.size).toBe(0);
});

test("names from a config are names, whatever they are", () => {
  const table = tableOf("__proto__", "constructor");
  const wanted = table.use("relay", "toString", "user", 3);
  expect(() => table.link()).toThrow("toString");
  expect(() => wanted.value).toThrow("no plugin of this config provides");
  expect(table.names("relay")).toEqual(["__proto__", "constructor"]);
});
