import { defineSelector, type Plugin } from "plugboard";
import { alias, type AliasOptions, type AliasTarget } from "plugboard/plugins/resolve/alias";
import { inOrder } from "plugboard/plugins/select/in-order";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { describe, expect, test } from "vitest";
import { count, down, first, open, type Stage } from "./stage.ts";

const one = (model: string, more: object = {}): AliasTarget => ({ model, ...more });
const targets = { a: { models: ["x"] }, b: { models: ["y"] }, c: { models: ["z"] }, d: { models: ["x", "w"] } };
const last = defineSelector({ name: "last", pick: (candidates) => candidates.at(-1) });

async function stage(options: AliasOptions, ...plugins: Plugin[]): Promise<Stage> {
  return open({ targets, plugins: [...plugins, roundRobin(), alias(options)] });
}

async function ask(times: number, { ask: askOne, seen }: Stage, name = "fast"): Promise<Record<string, number>> {
  for (let i = 0; i < times; i++) expect(await askOne(name)).toMatchObject({ status: 200 });
  return count(seen);
}

describe("a selector of an alias", () => {
  test("may be given in place of the name of one", async () => {
    const open1 = await stage({ fast: { targets: [one("x")], selector: last() } });
    expect(await ask(3, open1)).toEqual({ d: 3 });
  });

  test("that is given is the alias's alone", async () => {
    const open1 = await stage({ fast: { targets: [one("x")], selector: last() }, slow: { targets: [one("x")] } });
    expect(await ask(4, open1, "slow")).toEqual({ a: 2, d: 2 });
  });

  test("that provides none is refused", async () => {
    await expect(stage({ fast: { targets: [one("x")], selector: alias() } })).rejects.toThrow("provides no selector");
  });
});

describe("groups", () => {
  test("are tried one after the other", async () => {
    const groups = [{ targets: [one("x")] }, { targets: [one("y"), one("z")] }];
    expect(await ask(4, await stage({ fast: { groups } }))).toEqual({ a: 2, d: 2 });
    expect(await ask(4, await stage({ fast: { groups } }, down("a")))).toEqual({ d: 4 });
    expect(await ask(4, await stage({ fast: { groups } }, down("a", "d")))).toEqual({ b: 2, c: 2 });
    expect((await (await stage({ fast: { groups } }, down("a", "b", "c", "d"))).ask("fast")).status).toBe(503);
  });

  test("pick by selectors of their own, by that of the alias, or by the first in the config", async () => {
    const groups = [
      { targets: [one("x")], selector: "last" },
      { targets: [one("y"), one("z")], selector: last() },
      { targets: [one("y"), one("z")] },
    ];
    const of = async (...ids: number[]): Promise<Record<string, number>> => {
      const some = ids.map((id) => groups[id] as (typeof groups)[0]);
      const downs = ids.length > 1 ? [down("a", "d")] : [];
      return ask(2, await stage({ fast: { groups: some, selector: "first" } }, first(), last(), ...downs));
    };
    expect(await of(0)).toEqual({ d: 2 });
    expect(await of(0, 1)).toEqual({ c: 2 });
    expect(await of(0, 2)).toEqual({ b: 2 });
    expect(await ask(2, await stage({ fast: { groups: [groups[2] as object as { targets: [] }] } }))).toEqual({
      b: 1,
      c: 1,
    });
  });

  test("of a request that failed go on in their order, over real sockets", async () => {
    const options: AliasOptions = {
      fast: {
        groups: [{ targets: [one("x")] }, { targets: [one("y")] }, { targets: [one("z"), one("w")] }],
        selector: "in-order",
        retry: { nonIdempotent: true, attempts: 4 },
      },
    };
    const plugins = [inOrder(), alias(options)];
    const { ask: askOne, seen } = await open({ targets, plugins, broken: ["a", "d", "b"] });
    expect(await askOne("fast")).toMatchObject({ status: 200, target: "c", model: "z" });
    expect(seen.map(({ target, model }) => `${target} ${String(model)}`)).toEqual(["a x", "d x", "b y", "c z"]);
  });

  test("whose selector wants none of their targets are passed over", async () => {
    const none = defineSelector({ name: "none", pick: () => undefined });
    const groups = [{ targets: [one("x")], selector: none() }, { targets: [one("y")] }];
    expect(await ask(2, await stage({ fast: { groups } }))).toEqual({ b: 2 });
    const last1 = [{ targets: [one("x")] }, { targets: [one("y")], selector: none() }];
    expect((await (await stage({ fast: { groups: last1 } }, down("a", "d"))).ask("fast")).status).toBe(503);
  });

  test("whose targets are full give way to the next", async () => {
    const options = { fast: { groups: [{ targets: [one("x")] }, { targets: [one("y")] }] } };
    const few = { a: { models: ["x"], maxConcurrency: 1 }, b: { models: ["y"] } };
    const { ask: askOne, seen } = await open({ targets: few, plugins: [roundRobin(), alias(options)] });
    await Promise.all([askOne("fast"), askOne("fast"), askOne("fast")]);
    expect(count(seen)).toEqual({ a: 1, b: 2 });
    seen.length = 0;
    await askOne("fast");
    expect(count(seen)).toEqual({ a: 1 });
  });
});

describe("an alias among the targets of another", () => {
  const cheap = { targets: [one("y", { weight: 3 }), one("z")] };

  test("has its own weight there, which its targets share by theirs", async () => {
    const fast = { targets: [one("x", { provider: "a", weight: 2 }), { alias: "cheap", weight: 2 }] };
    expect(await ask(16, await stage({ fast, cheap }))).toEqual({ a: 8, b: 6, c: 2 });
  });

  test("keeps that weight with fewer targets", async () => {
    const fast = { targets: [one("x", { provider: "a" }), { alias: "cheap" }] };
    expect(await ask(8, await stage({ fast, cheap }, down("b")))).toEqual({ a: 4, c: 4 });
    expect(await ask(8, await stage({ fast, cheap }, down("b", "c")))).toEqual({ a: 8 });
  });

  test("picks by its own selector", async () => {
    const fast = { targets: [one("x", { provider: "a" }), { alias: "cheap" }], selector: "round-robin" };
    expect(await ask(8, await stage({ fast, cheap: { ...cheap, selector: last() } }))).toEqual({ a: 4, c: 4 });
  });

  test("takes the place of what failed in it with its own next groups, before the next group of the other", async () => {
    const options: AliasOptions = {
      fast: {
        groups: [{ targets: [{ alias: "cheap" }] }, { targets: [one("w")] }],
        selector: "in-order",
        retry: { nonIdempotent: true, attempts: 4 },
      },
      cheap: { groups: [{ targets: [one("y")] }, { targets: [one("z")] }] },
    };
    const plugins = [inOrder(), alias(options)];
    const { ask: askOne, seen } = await open({ targets, plugins, broken: ["b", "c"] });
    expect(await askOne("fast")).toMatchObject({ status: 200, target: "d", model: "w" });
    expect(seen.map(({ target }) => target)).toEqual(["b", "c", "d"]);
  });

  test("may be behind another, with the share of a share", async () => {
    const options = {
      fast: { targets: [one("x", { provider: "a" }), { alias: "mid" }] },
      mid: { targets: [one("y"), { alias: "deep" }] },
      deep: { targets: [one("z", { provider: "c" }), one("w")] },
    };
    expect(await ask(16, await stage(options))).toEqual({ a: 8, b: 4, c: 2, d: 2 });
  });

  test("of weight 0, or switched off, takes nothing", async () => {
    const off = { targets: [one("x", { provider: "a" }), { alias: "cheap", weight: 0 }] };
    expect(await ask(4, await stage({ fast: off, cheap }))).toEqual({ a: 4 });
    const disabled = { targets: [one("x", { provider: "a" }), { alias: "cheap", enabled: false }] };
    expect(await ask(4, await stage({ fast: disabled, cheap }))).toEqual({ a: 4 });
  });

  test("of weight 0 takes no retry either", async () => {
    const fast = {
      targets: [one("x", { provider: "a" }), { alias: "cheap", weight: 0 }],
      retry: { nonIdempotent: true },
    };
    const opened = await open({ targets, plugins: [roundRobin(), alias({ fast, cheap })], broken: ["a"] });
    expect(await opened.ask("fast")).toMatchObject({ status: 502 });
    expect(count(opened.seen)).toEqual({ a: 1 });
  });

  test("is asked for by its own name too", async () => {
    const fast = { targets: [one("x", { provider: "a" }), { alias: "cheap" }] };
    expect(await ask(8, await stage({ fast, cheap }), "cheap")).toEqual({ b: 6, c: 2 });
  });
});

describe("a target of an alias", () => {
  test("that is switched off is not used", async () => {
    const fast = { targets: [one("x", { enabled: false }), one("y", { enabled: true })] };
    expect(await ask(3, await stage({ fast }))).toEqual({ b: 3 });
  });

  test("leaves a 404 when all are switched off", async () => {
    const message = "No enabled providers available for model 'quick'.";
    const off = { targets: [one("x", { enabled: false })], synonyms: ["quick"] };
    const { ask: askOne } = await stage({ fast: off, other: { targets: [{ alias: "fast" }] } });
    expect(await askOne("quick")).toMatchObject({ status: 404, code: "model_disabled", message });
    expect(await askOne("other")).toMatchObject({ status: 404, code: "model_disabled" });
  });
});
