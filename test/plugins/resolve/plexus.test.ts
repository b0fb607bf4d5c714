import { createProxy, type ModelEntry } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { alias, type AliasOptions, type AliasTarget } from "plugboard/plugins/resolve/alias";
import { cost } from "plugboard/plugins/select/cost";
import { inOrder } from "plugboard/plugins/select/in-order";
import { latency } from "plugboard/plugins/select/latency";
import { performance } from "plugboard/plugins/select/performance";
import { random } from "plugboard/plugins/select/random";
import { models } from "plugboard/plugins/stats/models";
import { describe, expect, test } from "vitest";
import { problemsOf } from "../../core/config/config-error-of.ts";
import { keptLog } from "../../core/kept-log.ts";
import { open, type Stage } from "./stage.ts";

// What the tests of Plexus pin of its routing, one test for each; a name says where plugboard means to differ.

const targets = {
  openai: { models: ["gpt-4o", "gpt-4o-mini"], labels: { provider: "openai" } },
  anthropic: { models: ["claude-3-5-haiku"], labels: { provider: "anthropic" } },
  off: { models: ["off-model"], labels: { provider: "disabled" }, enabled: false },
};
const gpt: AliasTarget = { provider: "openai", model: "gpt-4o-mini" };
const claude: AliasTarget = { provider: "anthropic", model: "claude-3-5-haiku" };
const off: AliasTarget = { provider: "disabled", model: "off-model" };
const aliases: AliasOptions = {
  fast: { targets: [gpt], synonyms: ["quick", "speedy"] },
  balanced: { targets: [gpt, claude], selector: "random" },
  ordered: { targets: [gpt, claude], selector: "in-order" },
  "off-only": { targets: [off], synonyms: ["off-too"] },
  mixed: { targets: [off, gpt], selector: "random" },
  weighted: {
    targets: [
      { ...gpt, weight: 70 },
      { ...claude, weight: 30 },
    ],
    selector: "random",
  },
};
const notFound = { status: 404, code: "model_not_found" };

async function stage(options: AliasOptions = aliases): Promise<Stage> {
  return open({
    targets,
    plugins: [random(), inOrder(), cost(), latency(), performance(), alias(options)],
    found: true,
  });
}

/** How many of 1,000 requests go to each target. */
async function draws(options: AliasOptions, name: string, seed = 1): Promise<Readonly<Record<string, number>>> {
  const { proxy } = await stage(options);
  const { distribution } = await proxy.explain({ body: JSON.stringify({ model: name }), draws: 1_000, seed });
  return distribution ?? {};
}

describe("the router", () => {
  test("resolves an alias", async () => {
    expect(await (await stage()).ask("fast")).toMatchObject({ target: "openai", model: "gpt-4o-mini" });
  });

  test("resolves an alias of several targets to one of them", async () => {
    expect(["openai", "anthropic"]).toContain((await (await stage()).ask("balanced")).target);
  });

  test("resolves one in order to its first target, ten times", async () => {
    const { ask } = await stage();
    for (let i = 0; i < 10; i++) expect(await ask("ordered")).toMatchObject({ target: "openai" });
  });

  test("resolves a synonym, and tells the alias that it stands for", async () => {
    const { ask, proxy } = await stage();
    expect(await ask("quick")).toMatchObject({ target: "openai", model: "gpt-4o-mini" });
    const { route, steps } = await proxy.explain({ body: '{"model":"quick"}' });
    expect(route?.name).toBe("fast");
    expect(steps[0]?.note).toBe("alias: 'quick' is a synonym of 'fast'");
  });

  test("resolves each of several synonyms", async () => {
    const { ask } = await stage();
    for (const name of ["quick", "speedy"]) expect(await ask(name)).toMatchObject({ target: "openai" });
  });

  test("passes provider/model through, and tells it by what was asked for", async () => {
    const { ask, proxy } = await stage();
    expect(await ask("openai/gpt-4o")).toMatchObject({ target: "openai", model: "gpt-4o" });
    expect((await proxy.explain({ body: '{"model":"openai/gpt-4o"}' })).route?.name).toBe("openai/gpt-4o");
  });

  test("passes through a model with a slash in it too, as Plexus does not", async () => {
    const slash = { hub: { models: ["org/model"], labels: { provider: "hub" } } };
    const { ask } = await open({ targets: slash, plugins: [inOrder(), alias()] });
    expect(await ask("hub/org/model")).toMatchObject({ target: "hub", model: "org/model" });
  });

  test("says of provider/model that the provider is disabled", async () => {
    const message = "Provider 'disabled' is disabled.";
    expect(await (await stage()).ask("disabled/off-model")).toMatchObject({
      status: 404,
      code: "model_disabled",
      message,
    });
  });

  test("knows no provider/model of an unknown provider", async () => {
    expect(await (await stage()).ask("nobody/gpt-4o")).toMatchObject(notFound);
  });

  test("knows no provider/model that the provider does not list", async () => {
    expect(await (await stage()).ask("openai/gpt-9")).toMatchObject(notFound);
  });

  test("names an unknown alias in its message", async () => {
    expect(await (await stage()).ask("unknown")).toMatchObject({ ...notFound, message: "Model 'unknown' not found." });
  });

  test("says of an alias with disabled targets only that none is enabled", async () => {
    const message = "No enabled providers available for model 'off-only'.";
    expect(await (await stage()).ask("off-only")).toMatchObject({ status: 404, code: "model_disabled", message });
  });

  test("tells FAST from fast", async () => {
    expect(await (await stage()).ask("FAST")).toMatchObject(notFound);
  });

  test("drops old aliases and adds new ones with a new config", async () => {
    const { proxy, ask } = await stage();
    expect(await ask("fast")).toMatchObject({ status: 200 });
    const specs = [{ id: "openai", url: "http://127.0.0.1:9", models: ["gpt-4o-mini"] }];
    const plugins = [staticTargets({ targets: specs }), alias({ newer: { targets: [{ model: "gpt-4o-mini" }] } })];
    await proxy.reload({ plugins });
    expect(await ask("fast")).toMatchObject(notFound);
    expect((await proxy.explain({ body: '{"model":"newer"}' })).attempts).toEqual(["openai"]);
  });

  test("lists every alias and every synonym, which tells its alias; those that are off are left out, as Plexus means to", async () => {
    const found = await catalog(aliases);
    expect(found.map(({ id, description }) => [id, description])).toEqual([
      ["balanced", undefined],
      ["fast", undefined],
      ["mixed", undefined],
      ["ordered", undefined],
      ["quick", "Alias for: fast"],
      ["speedy", "Alias for: fast"],
      ["weighted", undefined],
    ]);
  });

  test("lists nothing when there are no aliases", async () => {
    expect(await catalog({})).toEqual([]);
  });

  test("never chooses the target of a disabled provider beside others", async () => {
    expect(await draws(aliases, "mixed")).toEqual({ openai: 1_000 });
  });

  test("chooses at least one provider of 70/30 in 50 draws", async () => {
    const { proxy } = await stage();
    const { distribution } = await proxy.explain({ body: '{"model":"weighted"}', draws: 50, seed: 2 });
    expect(Object.values(distribution ?? {}).reduce((sum, each) => sum + each, 0)).toBe(50);
  });
});

describe("the selectors", () => {
  const pair = (first: object, second: object, selector = "random"): AliasOptions => ({
    it: {
      targets: [
        { ...gpt, ...first },
        { ...claude, ...second },
      ],
      selector,
    },
  });
  const share = async (options: AliasOptions): Promise<number> => ((await draws(options, "it"))["openai"] ?? 0) / 1_000;

  test("have nothing to choose without a target", async () => {
    const { ask, find } = await stage();
    await find({});
    expect(await ask("fast")).toMatchObject({ status: 503, code: "no_targets" });
  });

  test("choose the only target", async () => {
    expect(await draws(aliases, "fast")).toEqual({ openai: 1_000 });
  });

  // The draws are seeded: these bounds are those of Plexus, 6 standard deviations and more wide.
  test.each([
    ["two without weights, about half each", {}, {}, 0.4, 0.6],
    ["70 and 30, about 70 %", { weight: 70 }, { weight: 30 }, 0.6, 0.8],
    ["2 and none, about two thirds", { weight: 2 }, {}, 0.55, 0.75],
    ["9 and 1, about 90 %", { weight: 9 }, { weight: 1 }, 0.8, 0.98],
  ])("choose at random by weight: %s", async (_, one, other, low, high) => {
    const found = await share(pair(one, other));
    expect(found).toBeGreaterThan(low);
    expect(found).toBeLessThan(high);
  });

  test("choose the first in order", async () => {
    expect(await share(pair({}, {}, "in-order"))).toBe(1);
  });

  const retry = { nonIdempotent: true, attempts: 5 };
  const three: AliasOptions = { it: { targets: [gpt, claude, { model: "third" }], selector: "in-order", retry } };
  const attempt = async (options: AliasOptions, broken: readonly string[]): Promise<Stage> => {
    const all = { ...targets, third: { models: ["third"] } };
    return open({ targets: all, plugins: [inOrder(), alias(options)], broken, found: true });
  };

  test("choose the second after the first was tried", async () => {
    expect(await (await attempt(three, ["openai"])).ask("it")).toMatchObject({ target: "anthropic" });
  });

  test("choose the third of three after the first two were tried", async () => {
    expect(await (await attempt(three, ["openai", "anthropic"])).ask("it")).toMatchObject({ target: "third" });
  });

  test("choose none when all were tried, where Plexus begins again with the first", async () => {
    const { ask, seen } = await attempt({ it: { targets: [gpt, claude], selector: "in-order", retry } }, [
      "openai",
      "anthropic",
    ]);
    expect(await ask("it")).toMatchObject({ status: 502 });
    expect(seen.map(({ target }) => target)).toEqual(["openai", "anthropic"]);
  });

  test.each(["cost", "latency", "performance"])(
    "choose one by %s although nothing is known of any",
    async (selector) => {
      const found = await draws(pair({}, {}, selector), "it");
      expect(Object.values(found).reduce((sum, each) => sum + each, 0)).toBe(1_000);
    },
  );
});

describe("the config", () => {
  const load = (options: AliasOptions): Promise<unknown> => {
    const specs = Object.entries(targets).map(([id, target]) => ({ id, url: "http://127.0.0.1:9", ...target }));
    return createProxy({ plugins: [staticTargets({ targets: specs }), inOrder(), alias(options)] });
  };

  test("has no name twice, be it of an alias or of a synonym", async () => {
    const twice = { fast: { targets: [gpt] }, slow: { targets: [claude], synonyms: ["fast"] } };
    expect(await problemsOf(load(twice))).toMatchObject([{ path: "slow.synonyms.0" }]);
  });

  test("has no alias of an unknown provider", async () => {
    const options = { fast: { targets: [{ ...gpt, provider: "opnai" }] } };
    expect(await problemsOf(load(options))).toMatchObject([
      { message: "Provider 'opnai' not found for alias 'fast'", fix: 'did you mean "openai"?' },
    ]);
  });

  test("has no alias of a model that its provider does not list", async () => {
    const options = { fast: { targets: [{ ...gpt, model: "gpt-4" }] } };
    expect(await problemsOf(load(options))).toMatchObject([
      { message: "Model 'gpt-4' is not in the list of provider 'openai'", fix: 'did you mean "gpt-4o"?' },
    ]);
  });

  test("only warns of a disabled provider", async () => {
    const { log, lines } = keptLog();
    const specs = [{ id: "off", url: "http://127.0.0.1:9", ...targets.off }];
    const proxy = await createProxy(
      { plugins: [staticTargets({ targets: specs }), alias({ fast: { targets: [off] } })] },
      { log },
    );
    await proxy.close();
    expect(lines).toContain("warn: alias 'fast': its provider 'disabled' is switched off");
  });

  test("has no unknown selector", async () => {
    const options = { fast: { targets: [gpt], selector: "in_order" } };
    expect(await problemsOf(load(options))).toMatchObject([{ fix: 'did you mean "in-order"?' }]);
  });

  test("has no alias without a target", async () => {
    expect(await problemsOf(load({ fast: { targets: [] } }))).toMatchObject([{ path: "fast.targets" }]);
  });
});

/** What is listed beside the models of the targets. */
async function catalog(options: AliasOptions): Promise<readonly ModelEntry[]> {
  const { proxy } = await open({ targets, plugins: [random(), inOrder(), alias(options), models()], found: true });
  const response = await proxy.fetch(new Request("http://proxy/v1/models"));
  const { data } = (await response.json()) as { data: ModelEntry[] };
  const listed = new Set<string>(Object.values(targets).flatMap((target) => target.models));
  return data.filter(({ id }) => !listed.has(id));
}
