import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { models } from "plugboard/plugins/stats/models";
import { expect, test } from "vitest";
import { coolingDown, down, first, open, type Stage, type StageOptions } from "./stage.ts";

const options: AliasOptions = {
  fast: { targets: [{ model: "x" }, { model: "y" }], synonyms: ["quick"] },
  secret: { targets: [{ model: "x" }], synonyms: ["hush"], hidden: true },
  outer: { targets: [{ alias: "inner" }] },
  inner: { targets: [{ model: "y" }] },
  off: { targets: [{ model: "x", enabled: false }] },
};

async function stage(targets: StageOptions["targets"], more: Partial<StageOptions> = {}): Promise<Stage> {
  return open({ targets, found: true, ...more, plugins: [first(), alias(options), models(), ...(more.plugins ?? [])] });
}

async function listed({ proxy }: Stage): Promise<readonly string[]> {
  const { data } = (await (await proxy.fetch(new Request("http://proxy/v1/models"))).json()) as {
    data: { id: string }[];
  };
  return data.map(({ id }) => id).filter((id) => id.length > 1);
}

test("hidden aliases are not listed, nor are their synonyms; they serve all the same", async () => {
  const open1 = await stage({ a: { models: ["x", "y"] } });
  expect(await listed(open1)).toEqual(["fast", "inner", "outer", "quick"]);
  expect(await open1.ask("hush")).toMatchObject({ status: 200, model: "x" });
});

test("aliases are listed for as long as one of their targets is switched on", async () => {
  const off = { models: ["y"], enabled: false };
  const open1 = await stage({ a: { models: ["x"] }, b: off });
  expect(await listed(open1)).toEqual(["fast", "quick"]);
  await open1.find({ a: { models: ["x"], enabled: false }, b: off });
  expect(await listed(open1)).toEqual([]);
  await open1.find({ a: { models: ["x"], enabled: false }, b: { models: ["y"] } });
  expect(await listed(open1)).toEqual(["fast", "inner", "outer", "quick"]);
});

test("aliases whose targets are down, or were not found yet, stay in the list", async () => {
  const all = ["fast", "inner", "outer", "quick"];
  expect(await listed(await stage({}))).toEqual(all);
  expect(await listed(await stage({ a: { models: ["x", "y"] } }, { plugins: [down("a")] }))).toEqual(all);
});

test("an alias whose targets are switched off is a 404 that says so, by the name that was asked for", async () => {
  const { ask } = await stage({ a: { models: ["x", "y"], enabled: false } });
  const error = { status: 404, code: "model_disabled" };
  expect(await ask("quick")).toMatchObject({
    ...error,
    message: "No enabled providers available for model 'quick'.",
  });
  expect(await ask("outer")).toMatchObject(error);
});

test("an alias whose targets all cool down says when the first is back", async () => {
  const targets = { a: { models: ["x"] }, b: { models: ["y"] } };
  const one = await stage(targets, { plugins: [coolingDown(90_000, "a")] });
  expect(await one.ask("fast")).toMatchObject({ status: 200, target: "b" });
  const both = await stage(targets, { plugins: [coolingDown(30_000, "a", "b")] });
  expect(await both.ask("fast")).toMatchObject({
    status: 503,
    code: "cooling_down",
    message: "All services for model 'fast' are cooling down; the first is back in 30 s.",
  });
});

test("provider/model of a provider that is switched off says so, for the models that it serves", async () => {
  const targets = {
    a: { models: ["x"], labels: { provider: "p" }, enabled: false },
    b: { models: ["y"], labels: { provider: "q" } },
    c: { models: ["z"], labels: { provider: "q" }, enabled: false },
    any: { labels: { provider: "r" }, enabled: false },
  };
  const { ask } = await stage(targets);
  const error = { status: 404, code: "model_disabled" };
  expect(await ask("p/x")).toMatchObject({ ...error, message: "Provider 'p' is disabled." });
  expect(await ask("r/whatever")).toMatchObject({ ...error, message: "Provider 'r' is disabled." });
  expect(await ask("q/z")).toMatchObject({ ...error, message: "No enabled providers available for model 'q/z'." });
  expect(await ask("p/y")).toMatchObject({ status: 404, code: "model_not_found" });
  expect(await ask("q/y")).toMatchObject({ target: "b" });
});
