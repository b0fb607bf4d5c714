import { createProxy, definePlugin, type Plugin, type StandardSchema } from "plugboard";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { knownKeys, knownValues } from "../../../core/config/known-keys.ts";
import { validateConfig } from "../../../core/config/validate.ts";
import { problemsOf } from "./config-error-of.ts";

interface Result {
  readonly value?: { readonly port: number };
  readonly issues?: readonly { readonly message: string; readonly path?: readonly unknown[] }[];
}

/** A schema that no library made (https://standardschema.dev): a port, as text or number. */
function handMade(
  validate: (input: unknown) => Result | Promise<Result>,
): StandardSchema<{ port?: unknown }, { port: number }> {
  return { "~standard": { version: 1, vendor: "nobody", validate } };
}

const pluginWith = (
  schema: StandardSchema<{ port?: unknown }, { port: number }>,
): ((options?: { port?: unknown }) => Plugin) => definePlugin({ name: "hand-made", options: schema, setup: () => {} });

const port = (input: unknown): Result => {
  const value = Number((input as { port: unknown }).port);
  if (Number.isInteger(value)) return { value: { port: value } };
  return { issues: [{ message: "Not a port", path: ["port"] }] };
};

describe("a schema of another vendor", () => {
  test("makes the options", async () => {
    expect(await validateConfig({ plugins: [pluginWith(handMade(port))({ port: "80" })] })).toMatchObject([
      { options: { port: 80 } },
    ]);
  });

  test("is asked with an empty object when no options are given", async () => {
    const seen: unknown[] = [];
    const schema = handMade((input) => {
      seen.push(input);
      return { value: { port: 1 } };
    });
    await validateConfig({ plugins: [pluginWith(schema)()] });
    expect(seen).toEqual([{}]);
  });

  test("refuses in its own words, with the path and what was received", async () => {
    const plugins = [pluginWith(handMade(port))({ port: "eighty" })];
    expect(await problemsOf(validateConfig({ plugins }))).toEqual([
      { plugin: "plugins[0] hand-made", path: "port", message: "Not a port", received: "'eighty'", index: 0 },
    ]);
  });

  test.each([
    ["keys", ["a", 0, "b"], "a.0.b"],
    ["objects with a key", [{ key: "a" }, { key: 0 }], "a.0"],
    ["both", ["a", { key: "b" }], "a.b"],
    ["a symbol", [Symbol("s")], "Symbol(s)"],
    ["nothing", [], ""],
  ])("may give a path of %s", async (_what, path, expected) => {
    const plugins = [pluginWith(handMade(() => ({ issues: [{ message: "No", path }] })))({})];
    expect(await problemsOf(validateConfig({ plugins }))).toMatchObject([{ path: expected }]);
  });

  test("may give no path", async () => {
    const plugins = [pluginWith(handMade(() => ({ issues: [{ message: "No" }] })))({})];
    expect(await problemsOf(validateConfig({ plugins }))).toMatchObject([{ path: "", message: "No" }]);
  });

  test("may take its time", async () => {
    const later = handMade(async (input) => {
      await new Promise((resolve) => setImmediate(resolve));
      return port(input);
    });
    const good = await createProxy({ plugins: [pluginWith(later)({ port: 1 })] });
    await good.close();
    const plugins = [pluginWith(later)({ port: "x" })];
    expect(await problemsOf(createProxy({ plugins }))).toMatchObject([{ path: "port" }]);
  });

  test.each([
    [
      "throws",
      (): never => {
        throw new Error("boom");
      },
    ],
    ["rejects", () => Promise.reject(new Error("boom"))],
  ])("that %s is told by its plugin, beside all else that is wrong", async (_what, validate) => {
    const bad = pluginWith(handMade(validate))({});
    const found = await problemsOf(validateConfig({ plugins: [bad], port: -1 }));
    expect(found).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ plugin: "plugins[0] hand-made" }),
        expect.objectContaining({ path: "port" }),
      ]),
    );
  });
});

describe("what a schema shows of itself", () => {
  const inner = v.strictObject({ model: v.string(), level: v.optional(v.picklist(["low", "high"])) });
  const schema = v.strictObject({
    list: v.array(inner),
    record: v.record(v.string(), inner),
    wrapped: v.optional(v.nullable(inner)),
    piped: v.pipe(
      inner,
      v.check(() => true),
    ),
    union: v.union([v.string(), inner]),
    variant: v.variant("kind", [v.object({ kind: v.literal("a"), one: v.string() })]),
    dynamic: v.optional(v.unknown()),
  });

  test.each([
    [[], ["list", "record", "wrapped", "piped", "union", "variant", "dynamic"]],
    [
      ["list", 0],
      ["model", "level"],
    ],
    [
      ["record", "anything"],
      ["model", "level"],
    ],
    [["wrapped"], ["model", "level"]],
    [["piped"], ["model", "level"]],
    [["union"], ["model", "level"]],
    [["variant"], ["kind", "one"]],
    [["dynamic"], undefined],
    [["nothing", "like", "it"], undefined],
  ])("the options at %j are %j", (path, expected) => {
    expect(knownKeys(schema, path)).toEqual(expected);
  });

  test.each([
    [
      ["list", 3, "level"],
      ["low", "high"],
    ],
    [
      ["record", "x", "level"],
      ["low", "high"],
    ],
    [["list", 3, "model"], undefined],
    [[], undefined],
  ])("the values at %j are %j", (path, expected) => {
    expect(knownValues(schema, path)).toEqual(expected);
  });

  test("zod's shape is read as well", () => {
    expect(knownKeys({ shape: { a: { shape: { b: {} } } } }, ["a"])).toEqual(["b"]);
  });

  test.each([undefined, null, 5, "x", {}, handMade(port)])("%j shows nothing", (opaque) => {
    expect(knownKeys(opaque, [])).toBeUndefined();
    expect(knownValues(opaque, ["a"])).toBeUndefined();
  });

  test("no name of a config is looked up where it was not written", () => {
    expect(knownKeys(schema, ["__proto__"])).toBeUndefined();
    expect(knownKeys(schema, ["constructor"])).toBeUndefined();
  });
});
