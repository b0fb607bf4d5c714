import type { AliasOptions } from "plugboard/plugins/resolve/alias";
import { describe, expect, test } from "vitest";
import { closedUrl } from "../../wire/closed-port.ts";
import { type FallbackStageOptions, openFallback } from "./alias-fallback-stage.ts";

const targets = { a1: { models: ["a"] }, a2: { models: ["a"] }, b: { models: ["b"] }, c: { models: ["c"] } };

const aliases: AliasOptions = {
  main: { targets: [{ model: "a" }], fallback: "second", set: { from: "main" } },
  second: { targets: [{ model: "b" }], set: { from: "second" }, fallback: ["third"] },
  third: { targets: [{ model: "c" }] },
};

const options: FallbackStageOptions = { targets, aliases };

describe("when no target takes the request", () => {
  test("it goes to the next alias, with that one's model and fields, and the answer says so", async () => {
    const stage = await openFallback(options);
    await stage.down("a1", "a2");
    expect(await stage.ask("main")).toEqual({
      status: 200,
      code: null,
      target: "b",
      route: "second",
      alias: "second",
    });
    expect(stage.bodies).toEqual([{ model: "b", from: "second" }]);
  });

  test("what cannot take it either is passed over", async () => {
    const stage = await openFallback(options);
    await stage.down("a1", "a2", "b");
    expect(await stage.ask("main")).toMatchObject({ target: "c", alias: "third" });
    expect(stage.seen).toEqual(["c c"]);
  });

  test("and nothing to fall back to does, the error is that of the alias", async () => {
    const stage = await openFallback(options);
    await stage.down("a1", "a2", "b", "c");
    expect(await stage.ask("main")).toMatchObject({ status: 503, code: "no_targets" });
    expect(stage.seen).toEqual([]);
  });

  test("a request of the alias that is fallen back to goes on from there", async () => {
    const stage = await openFallback(options);
    await stage.down("b");
    expect(await stage.ask("second")).toMatchObject({ target: "c" });
    expect(await stage.ask("main")).toMatchObject({ target: "a1", alias: "main" });
  });

  test("an alias without a fallback fails as ever", async () => {
    const stage = await openFallback(options);
    await stage.down("c");
    expect(await stage.ask("third")).toMatchObject({ status: 503, code: "no_targets" });
  });

  test("an alias of which all is switched off falls back too", async () => {
    const off = { ...aliases, main: { targets: [{ model: "a", enabled: false }], fallback: "third" } };
    const stage = await openFallback({ targets, aliases: off });
    expect(await stage.ask("main")).toMatchObject({ target: "c" });
  });
});

describe("when the targets fail", () => {
  test("connections that are refused lead to the fallback when each target was tried", async () => {
    const url = await closedUrl();
    const stage = await openFallback({ targets: { ...targets, a1: { models: ["a"], url } }, aliases });
    expect(await stage.ask("main")).toMatchObject({ target: "a2", alias: "main" });
    const gone = { a1: { models: ["a"], url }, a2: { models: ["a"], url }, b: { models: ["b"] } };
    const other = await openFallback({
      targets: gone,
      aliases: { main: { targets: [{ model: "a" }], fallback: { model: "b" } } },
    });
    expect(await other.ask("main")).toMatchObject({ status: 200, target: "b" });
  });

  test("the fallback has attempts of its own, and its targets are all new", async () => {
    const one = { only: { models: ["small", "large"] } };
    const stage = await openFallback({
      targets: one,
      aliases: {
        large: { targets: [{ model: "large" }], fallback: "small", retry: { attempts: 1 } },
        small: { targets: [{ model: "small" }] },
      },
    });
    stage.faults.set("only", "reset");
    expect(await stage.ask("large")).toMatchObject({ status: 502, code: "upstream_reset", alias: "small" });
    expect(stage.seen).toEqual(["only large", "only small"]);
  });

  test.each([429, 500, 503, 529])("an answer of %i is passed on by nobody but the last", async (status) => {
    const stage = await openFallback(options);
    stage.faults.set("a1", status).set("a2", status).set("b", status);
    expect(await stage.ask("main")).toMatchObject({ status: 200, target: "c", alias: "third" });
    expect(stage.seen).toEqual(["a1 a", "a2 a", "b b", "c c"]);
    stage.faults.set("c", status);
    expect(await stage.ask("main")).toMatchObject({ status, target: "c" });
  });

  test.each([200, 400, 401, 404])("an answer of %i is no failure", async (status) => {
    const stage = await openFallback(options);
    stage.faults.set("a1", status);
    expect(await stage.ask("main")).toMatchObject({ status, target: "a1", alias: "main" });
    expect(stage.seen).toEqual(["a1 a"]);
  });

  test("`fallbackOn` says which statuses are, for all that follows", async () => {
    const own = { ...aliases, main: { targets: [{ model: "a" }], fallback: "second", fallbackOn: [404] } };
    const stage = await openFallback({ targets, aliases: own });
    stage.faults.set("a1", 404).set("a2", 404).set("b", 404);
    expect(await stage.ask("main")).toMatchObject({ status: 200, target: "c" });
    stage.faults.set("a1", 503);
    expect(await stage.ask("main")).toMatchObject({ status: 503, target: "a1" });
  });

  test("the attempts of the alias count before it falls back", async () => {
    const own = { ...aliases, main: { targets: [{ model: "a" }], fallback: "third", retry: { attempts: 1 } } };
    const stage = await openFallback({ targets, aliases: own });
    stage.faults.set("a1", 503);
    expect(await stage.ask("main")).toMatchObject({ target: "c" });
    expect(stage.seen).toEqual(["a1 a", "c c"]);
  });

  test("an answer is passed on when nothing that is left could take the request", async () => {
    const stage = await openFallback(options);
    await stage.down("b", "c");
    stage.faults.set("a1", 429).set("a2", 429);
    expect(await stage.ask("main")).toMatchObject({ status: 429, target: "a2", alias: "main", route: "main" });
  });
});

describe("what is fallen back to", () => {
  test("may be a model, which keeps what the alias says of fields and names the provider", async () => {
    const stage = await openFallback({
      targets: { a: { models: ["a"] }, x: { models: ["big"] }, y: { models: ["big"], labels: { provider: "cloud" } } },
      aliases: {
        main: {
          targets: [{ model: "a" }],
          set: { seed: 1 },
          fallback: [{ model: "big", provider: "cloud" }, { model: "big" }],
        },
      },
    });
    await stage.down("a");
    expect(await stage.ask("main")).toMatchObject({ target: "y", route: "big", alias: "main" });
    expect(stage.bodies).toEqual([{ model: "big", seed: 1 }]);
    stage.faults.set("y", 500);
    expect(await stage.ask("main")).toMatchObject({ target: "x", route: "big", alias: "main" });
  });

  test("may be of another pool", async () => {
    const stage = await openFallback({
      targets: { a: { models: ["a"] } },
      pools: { spare: { s: { models: ["s"] } } },
      aliases: {
        main: { targets: [{ model: "a" }], fallback: "spare" },
        spare: { targets: [{ model: "s" }], pool: "spare" },
      },
    });
    await stage.down("a");
    expect(await stage.ask("main")).toMatchObject({ target: "s", alias: "spare" });
  });

  test("takes over from an alias with a star, and from a synonym", async () => {
    const stage = await openFallback({
      targets: { a: {}, c: { models: ["c"] } },
      aliases: {
        "gpt-*": { targets: [{ model: "openai/gpt-*", provider: "a" }], fallback: "third" },
        third: { targets: [{ model: "c" }] },
        main: { targets: [{ model: "a", provider: "a" }], synonyms: ["default"], fallback: "third" },
      },
    });
    expect(await stage.ask("gpt-4o")).toMatchObject({ target: "a" });
    await stage.down("a");
    expect(await stage.ask("gpt-4o")).toMatchObject({ target: "c", alias: "third" });
    expect(await stage.ask("default")).toMatchObject({ target: "c", alias: "third" });
    expect(stage.seen).toEqual(["a openai/gpt-4o", "c c", "c c"]);
  });

  test("is tried once, by whatever ways it is named", async () => {
    const stage = await openFallback({
      targets,
      aliases: {
        main: { targets: [{ model: "a" }], fallback: ["second", "third"] },
        second: { targets: [{ model: "b" }], fallback: "third" },
        third: { targets: [{ model: "c" }] },
      },
    });
    for (const id of ["a1", "a2", "b", "c"]) stage.faults.set(id, 500);
    expect(await stage.ask("main")).toMatchObject({ status: 500, target: "c" });
    expect(stage.seen).toEqual(["a1 a", "a2 a", "b b", "c c"]);
  });

  test("is told by explain", async () => {
    const stage = await openFallback(options);
    const { steps } = await stage.proxy.explain({ path: "/v1/chat/completions", body: '{"model":"main"}' });
    expect(steps).toContainEqual({ phase: "resolve", note: "alias: falls back to 'second', then 'third'" });
  });
});
