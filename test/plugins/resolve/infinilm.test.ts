import type { Plugin } from "plugboard";
import { model } from "plugboard/plugins/resolve/model";
import { fallback } from "plugboard/plugins/select/fallback";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { session } from "plugboard/plugins/select/session";
import { size } from "plugboard/plugins/select/size";
import { models } from "plugboard/plugins/stats/models";
import { describe, expect, test } from "vitest";
import { count, down, open, type Stage, type StageOptions } from "./stage.ts";

// What the router of InfiniLM does, one test for each rule; a name says where plugboard means to differ.

/** Targets that something finds at run time, as from a registry. */
async function stage(targets: StageOptions["targets"], ...plugins: Plugin[]): Promise<Stage> {
  return open({ targets, found: true, plugins: [roundRobin(), model(), models(), ...plugins] });
}

const json = { "content-type": "application/json" };
const two = { a: { models: ["x"] }, b: { models: ["y"] } };

describe("the list of models", () => {
  const list = async ({ proxy }: Stage): Promise<readonly object[]> => {
    const response = await proxy.fetch(new Request("http://proxy/models"));
    expect(response.status).toBe(200);
    return ((await response.json()) as { data: object[] }).data;
  };
  const ids = async (stage1: Stage): Promise<readonly unknown[]> =>
    (await list(stage1)).map((entry) => (entry as { id: unknown }).id);

  test("is of healthy services that are an openai-api", async () => {
    const type = (name: string) => ({ meta: { type: name } });
    const targets = {
      a: { models: ["a"], ...type("openai-api") },
      b: { models: ["b"], ...type("openai-api") },
      c: { models: ["c"], ...type("other") },
    };
    expect(await ids(await stage(targets, down("b")))).toEqual(["a"]);
  });

  test("takes those that say nothing of their type for one too, as a static list of plugboard does not need it", async () => {
    expect(await ids(await stage({ a: { models: ["a"] } }))).toEqual(["a"]);
  });

  test("keeps whole objects, the first of each id", async () => {
    const full = { id: "a", object: "model", created: 1, owned_by: "me", root: "/a" };
    const targets = {
      a: { models: ["ignored"], meta: { models_list: [full, { no: "id" }] } },
      b: { meta: { models_list: [{ id: "a", root: "/other" }] } },
    };
    expect(await list(await stage(targets))).toEqual([full]);
  });

  test("is of the names where there are no objects, sorted, and an empty list of objects stays empty", async () => {
    const targets = { a: { models: ["b", "a"] }, b: { models: ["c"], meta: { models_list: [] } } };
    expect(await ids(await stage(targets))).toEqual(["a", "b"]);
  });

  test("may be empty", async () => {
    expect(await list(await stage({}))).toEqual([]);
  });
});

describe("the model of a request", () => {
  test("is looked for in JSON bodies of POST only", async () => {
    const { ask, seen } = await stage(two);
    for (let i = 0; i < 4; i++) await ask({ body: "", method: "GET" });
    for (let i = 0; i < 4; i++) await ask({ body: '{"model":"x"}', headers: { "content-type": "text/plain" } });
    expect(count(seen)).toEqual({ a: 4, b: 4 });
  });

  test("that is missing leaves all services", async () => {
    const { ask, seen } = await stage(two);
    for (let i = 0; i < 4; i++) await ask({ body: '{"messages":[]}', headers: json });
    expect(count(seen)).toEqual({ a: 2, b: 2 });
  });

  test("that cannot be read is a 400, where InfiniLM sends the body to any service", async () => {
    const { ask } = await stage(two);
    expect(await ask({ body: '{"model":', headers: json })).toMatchObject({ status: 400, code: "invalid_json" });
    expect(await ask({ body: '{"model":1}', headers: json })).toMatchObject({ status: 400, code: "invalid_model" });
  });

  test("is one of the service's list, to the letter", async () => {
    const { ask } = await stage(two);
    expect(await ask("x")).toMatchObject({ target: "a" });
    expect(await ask("X")).toMatchObject({ status: 503 });
    expect(await ask("x ")).toMatchObject({ status: 503 });
  });

  test("is not looked for among the objects of the list of models", async () => {
    const { ask } = await stage({ a: { models: ["x"], meta: { models_list: [{ id: "z" }] } } });
    expect(await ask("z")).toMatchObject({ status: 503 });
  });

  test("is served by a service without a list, where InfiniLM passes that over", async () => {
    expect(await (await stage({ a: {} })).ask("x")).toMatchObject({ status: 200, target: "a" });
  });

  test("is served by a service of another type all the same", async () => {
    expect(await (await stage({ a: { models: ["x"], meta: { type: "other" } } })).ask("x")).toMatchObject({
      target: "a",
    });
  });

  test("that no service has is a 503 that names it", async () => {
    const message = "No healthy services available for model 'z'";
    expect(await (await stage(two)).ask("z")).toMatchObject({ status: 503, code: "no_targets", message });
  });

  test("whose services are all down is a 503 too, and so is a request without one", async () => {
    const all = await stage(two, down("a", "b"));
    expect(await all.ask("x")).toMatchObject({ status: 503, message: "No healthy services available for model 'x'" });
    expect(await all.ask({ body: "{}", headers: json })).toMatchObject({
      status: 503,
      message: "No healthy services available",
    });
  });
});

describe("turns", () => {
  test("are taken by weight, spread out where InfiniLM takes them in a row", async () => {
    const { ask, seen } = await stage({ a: { models: ["x"], weight: 3 }, b: { models: ["x"] } });
    for (let i = 0; i < 8; i++) await ask("x");
    expect(count(seen)).toEqual({ a: 6, b: 2 });
    expect(seen.map(({ target }) => target).join("")).not.toContain("aaaa");
  });

  test("are taken by all when no weight is above 0", async () => {
    const { ask, seen } = await stage({ a: { models: ["x"], weight: 0 }, b: { models: ["x"], weight: 0 } });
    for (let i = 0; i < 4; i++) await ask("x");
    expect(count(seen)).toEqual({ a: 2, b: 2 });
  });

  test("are counted for each model by itself, where InfiniLM has one counter for all", async () => {
    const { ask, seen } = await stage({ a: { models: ["x", "y"] }, b: { models: ["x", "y"] } });
    for (let i = 0; i < 8; i++) await ask(i % 2 === 0 ? "x" : "y");
    const of = (name: string): object => count(seen.filter((each) => each.model === name));
    expect([of("x"), of("y")]).toEqual([
      { a: 2, b: 2 },
      { a: 2, b: 2 },
    ]);
  });
});

describe("size, session and turns", () => {
  const paged = { models: ["x"], meta: { cache_type: "paged" } };
  const mixed = { a: paged, b: paged, big: { models: ["x"], meta: { cache_type: "static" } } };
  const body = (fields: object): { body: string } => ({ body: JSON.stringify({ model: "x", ...fields }) });
  const ordered = (threshold = 100): Plugin =>
    fallback(size({ threshold, strict: true }), session({ key: "body:prompt_cache_key" }), roundRobin());
  const start = (targets: StageOptions["targets"]): Promise<Stage> =>
    open({ targets, plugins: [ordered(), model()], found: true });

  test("take precedence in this order: what fits the size of the text is asked in turns", async () => {
    const { ask, seen } = await start(mixed);
    for (let i = 0; i < 4; i++) await ask(body({ prompt: "short", prompt_cache_key: "k" }));
    expect(count(seen)).toEqual({ a: 2, b: 2 });
    for (let i = 0; i < 3; i++) await ask(body({ messages: [{ content: "long ".repeat(40) }], prompt_cache_key: "k" }));
    expect(count(seen)).toEqual({ a: 2, b: 2, big: 3 });
  });

  test("stay with the session where no service is for the size", async () => {
    const { ask, seen } = await start({ a: paged, b: paged });
    for (let i = 0; i < 5; i++) await ask(body({ prompt: "long ".repeat(40), prompt_cache_key: "k" }));
    expect(Object.values(count(seen))).toEqual([5]);
  });

  test("spread requests of no session over all", async () => {
    const { ask, seen } = await start({ a: { models: ["x"] }, b: { models: ["x"] } });
    for (let i = 0; i < 4; i++) await ask(body({ prompt: "short" }));
    expect(count(seen)).toEqual({ a: 2, b: 2 });
  });
});
