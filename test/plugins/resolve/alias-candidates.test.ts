import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { inOrder } from "plugboard/plugins/select/in-order";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { describe, expect, test } from "vitest";
import { down, first, open } from "./stage.ts";

describe("the candidates of an alias", () => {
  const targets = {
    a: { models: ["x"], labels: { provider: "one" } },
    b: { models: ["x", "y"], labels: { provider: "two" } },
    c: { models: ["y"], labels: { provider: "two" } },
    any: { labels: { provider: "three" } },
  };
  const seenBy = async (options: AliasOptions, times: number): Promise<string[]> => {
    const { ask, seen } = await open({ targets, plugins: [roundRobin(), alias(options)] });
    for (let i = 0; i < times; i++) expect((await ask("fast")).status).toBe(200);
    return seen.map((one) => `${one.target} ${String(one.model)}`).toSorted();
  };

  test("are all that serve its model", async () => {
    expect(await seenBy({ fast: { targets: [{ model: "x" }] } }, 3)).toEqual(["a x", "any x", "b x"]);
  });

  test("are those with the provider's label, if one is named", async () => {
    expect(await seenBy({ fast: { targets: [{ model: "y", provider: "two" }] } }, 2)).toEqual(["b y", "c y"]);
  });

  test("are the one with the provider's name as its id", async () => {
    expect(await seenBy({ fast: { targets: [{ model: "y", provider: "c" }] } }, 2)).toEqual(["c y", "c y"]);
  });

  test("are of all its models, each under its own name", async () => {
    const options = {
      fast: {
        targets: [
          { model: "x", provider: "one" },
          { model: "z", provider: "three" },
        ],
      },
    };
    expect(await seenBy(options, 2)).toEqual(["a x", "any z"]);
  });

  test("are of one target twice, if it serves two of its models", async () => {
    const options = {
      fast: {
        targets: [
          { model: "x", provider: "b" },
          { model: "y", provider: "b", weight: 2 },
        ],
      },
    };
    expect(await seenBy(options, 3)).toEqual(["b x", "b y", "b y"]);
  });

  test("do not hold one that serves the model of another provider only", async () => {
    const { ask } = await open({
      targets,
      found: true,
      plugins: [first(), alias({ fast: { targets: [{ model: "x", provider: "c" }] } })],
    });
    expect(await ask("fast")).toMatchObject({ status: 503, code: "no_targets" });
  });

  test("come in the order of the alias, not of the pool", async () => {
    const options = {
      fast: {
        targets: [
          { model: "y", provider: "c" },
          { model: "x", provider: "a" },
        ],
      },
    };
    const { ask } = await open({ targets, plugins: [inOrder(), alias(options)] });
    expect(await ask("fast")).toMatchObject({ target: "c", model: "y" });
    const other = await open({ targets, plugins: [inOrder(), alias(options), down("c")] });
    expect(await other.ask("fast")).toMatchObject({ target: "a", model: "x" });
  });

  test("are never those of another alias, although the targets are the same", async () => {
    const options = { one: { targets: [{ model: "x" }] }, two: { targets: [{ model: "y" }] } };
    const { ask } = await open({ targets, plugins: [roundRobin(), alias(options)] });
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i % 2 === 0 ? "one" : "two")));
    expect(answers.map((answer) => answer.model)).toEqual(answers.map((_, i) => (i % 2 === 0 ? "x" : "y")));
  });
});

describe("the weights of an alias", () => {
  test("are the alias's times the target's", async () => {
    const targets = { a: { models: ["x"], weight: 2 }, b: { models: ["y"], weight: 3 } };
    const options = { fast: { targets: [{ model: "x", weight: 3 }, { model: "y" }] } };
    const { ask, seen } = await open({ targets, plugins: [roundRobin(), alias(options)] });
    for (let i = 0; i < 9; i++) await ask("fast");
    expect(seen.filter(({ target }) => target === "a")).toHaveLength(6);
    expect(seen.filter(({ target }) => target === "b")).toHaveLength(3);
  });

  test("of 0 keep a target out of the alias alone", async () => {
    const targets = { a: { models: ["x"] }, b: { models: ["x"] } };
    const options = {
      fast: {
        targets: [
          { model: "x", provider: "a", weight: 0 },
          { model: "x", provider: "b" },
        ],
      },
    };
    const { ask, seen } = await open({ targets, plugins: [roundRobin(), alias(options), model()] });
    for (let i = 0; i < 4; i++) await ask("fast");
    for (let i = 0; i < 4; i++) await ask("x");
    expect(seen.map(({ target }) => target).join("")).toMatch(/^bbbb(ab|ba)+$/);
  });
});

describe("another attempt", () => {
  const retry = { nonIdempotent: true };

  test("asks for the model by the name of its own target", async () => {
    const options: AliasOptions = {
      fast: { targets: [{ model: "x" }, { model: "yyyyyyyyyy" }], retry },
    };
    const targets = { a: { models: ["x"] }, b: { models: ["yyyyyyyyyy"] } };
    const { ask, seen } = await open({
      targets,
      plugins: [inOrder(), alias(options)],
      broken: ["a"],
    });
    const body = '{"a":1.0, "model":"fast" ,"z":[]}';
    expect(await ask({ body })).toMatchObject({ target: "b", model: "yyyyyyyyyy" });
    expect(seen.map(({ text }) => text)).toEqual([
      '{"a":1.0, "model":"x" ,"z":[]}',
      '{"a":1.0, "model":"yyyyyyyyyy" ,"z":[]}',
    ]);
  });

  test("gives the body back as it was to a target that knows the client's name", async () => {
    const options: AliasOptions = { fast: { targets: [{ model: "x" }, { model: "fast" }], retry } };
    const { ask, seen } = await open({
      targets: { a: { models: ["x"] }, b: { models: ["fast"] } },
      plugins: [inOrder(), alias(options)],
      broken: ["a"],
    });
    expect(await ask("fast")).toMatchObject({ target: "b", model: "fast" });
    expect(seen).toHaveLength(2);
  });

  test("is not made at a target that has failed under its other model", async () => {
    const options: AliasOptions = { fast: { targets: [{ model: "x" }, { model: "y" }], retry } };
    const { ask, seen } = await open({
      targets: { a: { models: ["x", "y"] }, b: { models: ["y"] } },
      plugins: [inOrder(), alias(options)],
      broken: ["a"],
    });
    expect(await ask("fast")).toMatchObject({ target: "b", model: "y" });
    expect(seen.map(({ target }) => target)).toEqual(["a", "b"]);
  });
});
