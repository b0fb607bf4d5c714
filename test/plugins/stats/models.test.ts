import { expect, onTestFinished, test } from "vitest";
import OpenAI, { NotFoundError } from "openai";
import { createProxy, definePlugin, type ModelEntry, type Plugin, type Proxy, type TargetSpec } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { openaiErrors } from "plugboard/plugins/errors/openai-errors";
import { type ModelsOptions, models } from "plugboard/plugins/stats/models";
import { testPlugin } from "plugboard/testing";

testPlugin({
  test,
  create: () => models(),
  badOptions: [
    { options: { path: "models" }, says: "path" },
    { options: { path: "/models/" }, says: "path" },
    { options: { path: "/models?x" }, says: "path" },
    { options: { pool: "" }, says: "pool" },
  ],
});

interface Model {
  readonly id: string;
  readonly [field: string]: unknown;
}

interface Body {
  readonly object?: string;
  readonly id?: string;
  readonly data?: readonly Model[];
}

async function start(plugins: readonly Plugin[], options?: ModelsOptions): Promise<Proxy> {
  const proxy = await createProxy({ plugins: [...plugins, models(options)] });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  return proxy;
}

async function get(proxy: Proxy, path: string): Promise<{ status: number; body: Body }> {
  const response = await proxy.fetch(new Request(`http://proxy${path}`));
  const body: Body = JSON.parse(await response.text());
  return { status: response.status, body };
}

async function list(proxy: Proxy, path = "/v1/models"): Promise<readonly Model[]> {
  const { status, body } = await get(proxy, path);
  expect(status).toBe(200);
  expect(body.object).toBe("list");
  return body.data ?? [];
}

async function ids(proxy: Proxy, path?: string): Promise<readonly string[]> {
  return (await list(proxy, path)).map((model) => model.id);
}

function targets(...fields: Omit<TargetSpec, "url">[]): Plugin {
  return staticTargets({
    targets: fields.map((each, index) => ({
      id: `t${index + 1}`,
      url: "http://127.0.0.1:9",
      ...each,
    })),
  });
}

function catalog(name: string, entries: readonly ModelEntry[]): Plugin {
  const plugin = definePlugin({
    name,
    setup: (proxy) => proxy.provide("catalog", name, { models: () => entries }),
  });
  return plugin();
}

function sick(...down: string[]): Plugin {
  const plugin = definePlugin({
    name: "sick",
    setup(proxy) {
      const reporter = proxy.reporter("sick");
      proxy.onReady(() => down.forEach((id) => reporter.down(id, "test")));
    },
  });
  return plugin();
}

test("lists the models of all targets once, sorted by id, as OpenAI does", async () => {
  const proxy = await start([targets({ models: ["b", "a"] }, { models: ["c", "a"] }, {})]);
  const created = Math.floor(proxy.status().startedAt / 1000);
  const whole = ["a", "b", "c"].map((id) => ({
    id,
    object: "model",
    created,
    owned_by: "plugboard",
  }));
  expect(await list(proxy)).toEqual(whole);
  expect(await list(proxy, "/models")).toEqual(whole);
});

test("is an empty list when nobody names a model", async () => {
  expect(await list(await start([targets({})]))).toEqual([]);
});

test("leaves out what only unavailable targets serve", async () => {
  const proxy = await start([targets({ models: ["a", "b"] }, { models: ["b", "c"] }), sick("t1")]);
  await expect.poll(() => ids(proxy)).toEqual(["b", "c"]);
});

test("keeps whole model objects of a target, the first of an id", async () => {
  const full = {
    id: "b",
    object: "model",
    created: 7,
    owned_by: "vllm",
    max_model_len: 4096,
    permission: [{ id: "p" }],
  };
  const proxy = await start([
    targets(
      {
        models: ["ignored"],
        meta: { models_list: [full, { id: "a", root: "/a" }, { id: 1 }, null, "c"] },
      },
      { models: ["b"], meta: { models_list: [{ id: "b", owned_by: "other" }] } },
      { models: ["hidden"], meta: { models_list: [] } },
    ),
  ]);
  const listed = await list(proxy);
  expect(listed).toEqual([expect.objectContaining({ id: "a", object: "model", root: "/a" }), full]);
});

test("leaves out targets that say they are something else, and keeps those that say nothing of it", async () => {
  const proxy = await start([
    targets(
      { models: ["a"], meta: { type: "openai-api" } },
      { models: ["b"], meta: { type: "embedding-api" } },
      { models: ["c"], meta: { type: 1 } },
      { models: ["ignored"], meta: { type: "other", models_list: [{ id: "d" }] } },
      { models: ["e"] },
    ),
  ]);
  expect(await ids(proxy)).toEqual(["a", "c", "e"]);
});

test("adds what catalogs name, after the targets", async () => {
  const proxy = await start([
    catalog("one", [
      { id: "fast", ownedBy: "me" },
      { id: "quick", description: "Alias for: fast" },
      { id: "a", ownedBy: "me" },
    ]),
    catalog("two", [{ id: "fast" }]),
    targets({ models: ["a"] }),
  ]);
  const [a, fast, quick] = await list(proxy);
  expect(a).toMatchObject({ id: "a", owned_by: "plugboard" });
  expect(fast).toMatchObject({ id: "fast", owned_by: "me" });
  expect(fast).not.toHaveProperty("description");
  expect(quick).toMatchObject({
    id: "quick",
    description: "Alias for: fast",
    owned_by: "plugboard",
  });
});

test("lists all pools, or the one that it is told", async () => {
  const plugins = [
    staticTargets({ targets: [{ url: "http://127.0.0.1:1", models: ["a"] }] }),
    staticTargets({ targets: [{ url: "http://127.0.0.1:2", models: ["b"] }], pool: "other" }),
  ];
  expect(await ids(await start(plugins))).toEqual(["a", "b"]);
  expect(await ids(await start(plugins, { pool: "other" }))).toEqual(["b"]);
});

test("answers at the path that it is told, and only there", async () => {
  const proxy = await start([targets({ models: ["a"] })], { path: "/llm/models" });
  expect(await ids(proxy, "/llm/models")).toEqual(["a"]);
  expect((await get(proxy, "/llm/models/a")).body.id).toBe("a");
  expect((await get(proxy, "/v1/models")).status).not.toBe(200);
});

test("gives one model by its id, slashes and all", async () => {
  const proxy = await start([targets({ models: ["a", "org/a", "a:1 b"] })]);
  for (const [path, id] of [
    ["/v1/models/a", "a"],
    ["/models/org/a", "org/a"],
    ["/v1/models/a:1%20b", "a:1 b"],
  ]) {
    expect(await get(proxy, path ?? "")).toMatchObject({
      status: 200,
      body: { id, object: "model" },
    });
  }
});

test("says that there is no such model as any error is told", async () => {
  const { status, body } = await get(await start([openaiErrors(), targets({ models: ["a"] })]), "/v1/models/%22b%22");
  expect(status).toBe(404);
  expect(body).toMatchObject({
    error: {
      message: "Model '\"b\"' not found.",
      type: "invalid_request_error",
      param: "model",
      code: "model_not_found",
    },
  });
});

test("serves the openai SDK", async () => {
  const proxy = await start([targets({ models: ["b", "a"] })]);
  const { url } = await proxy.listen();
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const listed: string[] = [];
  for await (const model of client.models.list()) listed.push(model.id);
  expect(listed).toEqual(["a", "b"]);
  expect((await client.models.retrieve("a")).object).toBe("model");
  await expect(client.models.retrieve("nope")).rejects.toBeInstanceOf(NotFoundError);
});
