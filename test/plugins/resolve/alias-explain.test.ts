import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { inOrder } from "plugboard/plugins/select/in-order";
import { describe, expect, test } from "vitest";
import { down, first, open } from "./stage.ts";

describe("explain", () => {
  const targets = {
    a: { models: ["x"] },
    b: { models: ["y"] },
    c: { models: ["z"], labels: { provider: "p" } },
  };
  const explain = async (name: string) => {
    const options = {
      fast: { targets: [{ model: "x" }, { model: "y", provider: "b" }], synonyms: ["quick"] },
    };
    const { proxy } = await open({ targets, plugins: [first(), alias(options)] });
    return proxy.explain({ body: JSON.stringify({ model: name }) });
  };

  test("tells an alias, what each target knows it as, and what is sent", async () => {
    const { steps, candidates, upstream } = await explain("fast");
    expect(steps).toEqual([
      { phase: "resolve", note: "alias: 'fast' is an alias" },
      { phase: "resolve", note: "alias: a knows it as 'x'" },
      { phase: "resolve", note: "alias: b knows it as 'y'" },
      { phase: "upstreamRequest", note: "alias: 'fast' in the body becomes 'x'" },
    ]);
    expect(candidates).toContainEqual(
      expect.objectContaining({ id: "c", kept: false, reason: "does not serve 'x' or 'y' of b" }),
    );
    expect(upstream?.body).toBe('{"model":"x"}');
  });

  test("tells a synonym", async () => {
    expect((await explain("quick")).steps[0]).toEqual({
      phase: "resolve",
      note: "alias: 'quick' is a synonym of 'fast'",
    });
  });

  test("tells a provider's model", async () => {
    const { steps, upstream } = await explain("p/z");
    expect(steps[0]).toEqual({
      phase: "resolve",
      note: "alias: 'p/z' is the model 'z' of a provider",
    });
    expect(upstream?.body).toBe('{"model":"z"}');
  });
});

describe("explain of groups and of aliases among the targets", () => {
  const options: AliasOptions = {
    fast: {
      groups: [
        { name: "primary", targets: [{ model: "x" }, { alias: "cheap" }] },
        { targets: [{ model: "w" }], selector: "first" },
      ],
      synonyms: ["quick"],
    },
    cheap: { groups: [{ targets: [{ model: "y" }, { model: "z" }] }, { targets: [{ model: "v" }] }] },
  };
  const targets = {
    a: { models: ["x"] },
    b: { models: ["y"] },
    c: { models: ["z"] },
    d: { models: ["w"] },
    e: { models: ["v"] },
    f: { models: ["u"] },
  };
  const explain = async (...ids: string[]) => {
    const plugins = [inOrder(), first(), alias(options), down(...ids)];
    const { proxy } = await open({ targets, plugins, config: { retry: { attempts: 9 } } });
    return proxy.explain({ body: '{"model":"quick"}' });
  };

  test("tells each group, with the way to each model", async () => {
    const { steps, route } = await explain("a");
    expect(steps.map(({ note }) => note)).toEqual([
      "alias: 'quick' is a synonym of 'fast'",
      "alias: 'fast' group 1 of 2 (primary): a knows it as 'x', alias 'fast' -> alias 'cheap' -> y on b, " +
        "alias 'fast' -> alias 'cheap' -> z on c, alias 'fast' -> alias 'cheap' -> v on e",
      "alias: 'fast' group 2 of 2: d knows it as 'w'",
      "alias: alias 'fast' -> alias 'cheap' -> y on b",
      "alias: 'quick' in the body becomes 'y'",
    ]);
    expect(route).toMatchObject({ name: "fast", selector: "in-order, first" });
  });

  test("scores candidates in the order in which they are tried, with what their own selectors say", async () => {
    const { attempts, candidates } = await explain();
    expect(attempts).toEqual(["a", "b", "c", "e", "d"]);
    const kept = candidates.filter((candidate) => candidate.kept);
    expect(
      kept.toSorted((a, b) => (b.score ?? 0) - (a.score ?? 0)).map(({ id, reason }) => `${id}: ${reason}`),
    ).toEqual([
      "a: group 1 of 2 (primary): the first in order",
      "b: group 1 of 2 (primary): alias 'cheap': group 1 of 2: the first in order",
      "c: group 1 of 2 (primary): alias 'cheap': group 1 of 2: number 2",
      "e: group 1 of 2 (primary): alias 'cheap': group 2 of 2: the first in order",
      "d: group 2 of 2",
    ]);
    expect(candidates.find(({ id }) => id === "f")?.reason).toBe("does not serve 'x' or 'y' or 'z' or 'v' or 'w'");
  });

  test("keeps the scores of the selector where only one group is left", async () => {
    const { candidates } = await explain("a", "b", "c", "e");
    expect(candidates.find(({ id }) => id === "d")).toMatchObject({ kept: true, score: 0 });
    const one = await explain("b", "c", "d", "e");
    expect(one.candidates.find(({ id }) => id === "a")).toMatchObject({ kept: true, score: 1 });
  });
});
