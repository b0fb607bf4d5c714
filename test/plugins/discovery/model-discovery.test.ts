import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { definePlugin, type DiscoverySink, type Plugin, type Proxy, type TargetSpec } from "plugboard";
import { alias } from "plugboard/plugins/resolve/alias";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { testDiscovery, testPlugin } from "plugboard/testing";
import { explainConfig } from "../../../core/explain/explain.ts";
import { modelDiscovery } from "../../../plugins/discovery/model-discovery.ts";
import { eventually } from "../../e2e/eventually.ts";
import { type ModelServer, modelServer, openModelServer } from "./model-server.ts";
import { faultsOf, idsOf, openConfig, openProxy } from "./opened.ts";

describe("targets that are asked each interval", () => {
  let one: ModelServer;
  let two: ModelServer;
  beforeAll(async () => {
    [one, two] = [await openModelServer("qwen3-8b", "lora-1"), await openModelServer("llama")];
    expected.push(
      { id: "one", url: one.url, weight: 2, models: ["qwen3-8b", "lora-1"] },
      { url: `${two.url}/v1`, models: ["llama"] },
    );
  });
  afterAll(() => [one, two].forEach((server) => server.close()));

  const expected: TargetSpec[] = [];
  testDiscovery({
    test,
    create() {
      Object.assign(one, { models: ["qwen3-8b", "lora-1"], answer: undefined });
      Object.assign(two, { models: ["llama"], answer: undefined });
      const targets = [{ id: "one", url: one.url, weight: 2 }, `${two.url}/v1`];
      return modelDiscovery(staticTargets({ targets, pool: "other" }), { interval: 20 });
    },
    pool: "other",
    expected,
    change() {
      one.models = ["qwen3-8b", "lora-2"];
      const [first = { url: "" }, ...rest] = expected;
      return { expected: [{ ...first, models: one.models }, ...rest] };
    },
    empty: () => [one, two].forEach((server) => (server.models = [])),
    breakSource: () => [one, two].forEach((server) => (server.answer = (request) => request.socket.destroy())),
    mend: () => [one, two].forEach((server) => (server.answer = undefined)),
    async asked() {
      const { length } = one.requests;
      await eventually(() => expect(one.requests.length).toBeGreaterThan(length + 3));
    },
  });
});

const inner = staticTargets({ targets: ["http://127.0.0.1:1"] });

testPlugin({
  test,
  create: () => modelDiscovery(staticTargets({ targets: [] }), { path: "/models", unknown: "all" }),
  badOptions: [
    { options: {}, says: "inner: " },
    { options: { inner: "static" }, says: "inner: Expected a discovery such as staticTargets" },
    { options: { inner, path: "models" }, says: "path: Expected a path such as /v1/models" },
    { options: { inner, interval: 0 }, says: "interval: Expected 1 or more" },
    { options: { inner, timeout: 2 ** 31 }, says: "timeout" },
    { options: { inner, unknown: "any" }, says: 'unknown: Expected "wait" or "all"' },
    { options: { inner, headers: { a: "b\n" } }, says: "headers.a: Expected the value of a header" },
    { options: { inner, maxBytes: 0 }, says: "maxBytes" },
  ],
});

/** Of the default pool, by id. */
function modelsOf(proxy: Proxy): Record<string, readonly string[]> {
  const pool = proxy.pools().find(({ name }) => name === "default");
  return Object.fromEntries((pool?.snapshot.all ?? []).map(({ id, models }) => [id, models]));
}

/** A discovery that a test speaks for. */
function told(first: readonly TargetSpec[]): { readonly plugin: Plugin; sink(): DiscoverySink } {
  let sink: DiscoverySink | undefined;
  const plugin = definePlugin({
    name: "told",
    setup: (proxy) =>
      proxy.provide("discovery", "told", {
        start(started) {
          sink = started;
          sink.replace(first);
        },
      }),
  });
  return { plugin: plugin(), sink: () => sink as DiscoverySink };
}

const slow = { interval: 60_000 };

describe("what is asked", () => {
  test.each([
    ["", "/v1/models"],
    ["/", "/v1/models"],
    ["/v1", "/v1/models"],
    ["/v1/", "/v1/models"],
    ["/api", "/api/v1/models"],
    ["/v1beta/openai", "/v1beta/openai/models"],
    ["/api/v4", "/api/v4/models"],
  ])("a target with the base path %j is asked for %s", async (base, path) => {
    const server = await modelServer("a");
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets: [server.url + base] }), slow));
    expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([`GET ${path}`]);
    await proxy.close();
  });

  test("the path and the headers may be others", async () => {
    const server = await modelServer("a");
    const options = { ...slow, path: "/models?all=1", headers: { authorization: "Bearer k" } };
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets: [`${server.url}/v1`] }), options));
    expect(server.requests[0]?.url).toBe("/models?all=1");
    expect(server.requests[0]?.headers.authorization).toBe("Bearer k");
    await proxy.close();
  });

  test("a target that is switched off is not asked", async () => {
    const server = await modelServer("a");
    const targets = [{ id: "off", url: server.url, enabled: false }];
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets }), slow));
    expect(server.requests).toEqual([]);
    expect(proxy.pools()[0]?.snapshot.disabled.map(({ id }) => id)).toEqual(["off"]);
    await proxy.close();
  });

  test("a target is not asked where it may not be", async () => {
    const server = await modelServer("a");
    const targets = [{ id: "a", url: server.url.replace("127.0.0.1", "localhost"), addresses: ["10.0.0.0/8"] }];
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets }), slow));
    expect(server.requests).toEqual([]);
    expect(faultsOf(proxy)).toEqual(["models of a: EBLOCKED"]);
    await proxy.close();
  });

  test("explain asks nobody, and takes the models of the specs", async () => {
    const server = await modelServer("a");
    const targets = [{ id: "a", url: server.url, models: ["b"] }];
    const config = { plugins: [modelDiscovery(staticTargets({ targets }), slow)] };
    const { attempts } = await explainConfig(config, {});
    expect([attempts, server.requests]).toEqual([["a"], []]);
  });
});

describe("an answer", () => {
  const long = "m".repeat(256);

  test.each<[string, string | Buffer, readonly string[]]>([
    ["a list alone", '[{"id":"a"},{"id":"b"}]', ["a", "b"]],
    ["names that come twice", '{"data":[{"id":"a"},{"id":"a"}]}', ["a"]],
    ["names of 256 characters", JSON.stringify({ data: [{ id: long }, { id: `${long}m` }] }), [long]],
    [
      "names with control characters",
      '{"data":[{"id":"a\\r\\nb"},{"id":"c\\u0000"},{"id":"\\u0085"},{"id":"d"}]}',
      ["d"],
    ],
    ["entries without a name", '{"data":[null,1,"a",{"id":5},{"id":""},{"name":"b"},{"id":"c"}]}', ["c"]],
    ["a name that objects have", '{"data":[{"id":"__proto__"},{"__proto__":{"id":"b"}}]}', ["__proto__"]],
    [
      "1,000 models",
      JSON.stringify({ data: Array.from({ length: 1_000 }, (_, id) => ({ id: `m${id}` })) }),
      Array.from({ length: 1_000 }, (_, id) => `m${id}`),
    ],
  ])("with %s is taken", async (_, body, models) => {
    const server = await modelServer();
    server.answer = (_request, response) => response.end(body);
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets: [{ id: "a", url: server.url }] }), slow));
    expect(modelsOf(proxy)).toEqual({ a: models });
    expect(faultsOf(proxy)).toEqual([]);
    await proxy.close();
  });

  test.each<[string, ModelServer["answer"], string]>([
    ["no JSON", (_, response) => response.end("secret"), "an answer that is not JSON"],
    ["no list", (_, response) => response.end('{"data":{"id":"secret"}}'), "an answer without a list of models"],
    ["null", (_, response) => response.end("null"), "an answer without a list of models"],
    ["another status", (_, response) => response.writeHead(404).end('{"data":[{"id":"a"}]}'), "status 404"],
    ["a redirect", (_, response) => response.writeHead(302, { location: "/elsewhere" }).end(), "status 302"],
    [
      "more models than fit",
      (_, response) => response.end(JSON.stringify({ data: Array.from({ length: 1_001 }, (__, id) => ({ id })) })),
      "1001 models; 1000 are the most",
    ],
    ["a body without end", (_, response) => endless(response), "more than 100000 bytes"],
    [
      "half a body",
      (request, response) => {
        response.writeHead(200, { "content-length": 9 }).write("[");
        request.socket.destroySoon();
      },
      "other side closed",
    ],
    ["a closed connection", (request) => request.socket.destroySoon(), "other side closed"],
    ["nothing", () => undefined, "no answer within 150 ms"],
    ["a head and then nothing", (_, response) => response.writeHead(200).flushHeaders(), "no answer within 150 ms"],
  ])("that is %s is a failure", async (_, answer, fault) => {
    const server = await modelServer();
    server.answer = answer;
    const targets = [{ id: "a", url: server.url }];
    const options = { ...slow, timeout: fault.startsWith("no answer") ? 150 : 5_000, maxBytes: 100_000 };
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets }), options));
    expect(modelsOf(proxy)).toEqual({});
    await eventually(() => expect(faultsOf(proxy)).toEqual([`models of a: ${fault}`]));
    expect(server.requests.map(({ url }) => url)).toEqual(server.requests.map(() => "/v1/models"));
    await proxy.close();
  });
});

function endless(response: { write(chunk: Buffer, written: (error?: Error | null) => void): unknown }): void {
  response.write(Buffer.alloc(65_536, "["), (error) => {
    if (!error) endless(response);
  });
}

describe("a target", () => {
  test("with models in its spec has those until it answers", async () => {
    const server = await modelServer("new");
    server.answer = () => undefined;
    const targets = [{ id: "a", url: server.url, models: ["old"] }];
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets }), { interval: 20, timeout: 50 }));
    expect(modelsOf(proxy)).toEqual({ a: ["old"] });
    server.answer = undefined;
    await eventually(() => expect(modelsOf(proxy)).toEqual({ a: ["new"] }));
    await proxy.close();
  });

  test("without models waits for its answer", async () => {
    const server = await modelServer("a");
    server.answer = () => undefined;
    const options = { interval: 20, timeout: 50 };
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets: [{ id: "a", url: server.url }] }), options));
    expect(idsOf(proxy)).toEqual([]);
    server.answer = undefined;
    await eventually(() => expect(modelsOf(proxy)).toEqual({ a: ["a"] }));
    await proxy.close();
  });

  test("without models takes anything meanwhile, when told so", async () => {
    const server = await modelServer("a");
    server.answer = () => undefined;
    const options = { interval: 20, timeout: 50, unknown: "all" } as const;
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets: [{ id: "a", url: server.url }] }), options));
    expect(modelsOf(proxy)).toEqual({ a: [] });
    server.answer = undefined;
    await eventually(() => expect(modelsOf(proxy)).toEqual({ a: ["a"] }));
    await proxy.close();
  });

  test("that has no model takes nothing, even then", async () => {
    const server = await modelServer();
    const options = { ...slow, unknown: "all" } as const;
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets: [{ id: "a", url: server.url }] }), options));
    expect(idsOf(proxy)).toEqual([]);
    expect(faultsOf(proxy)).toEqual([]);
    await proxy.close();
  });

  test("that answers does not wait for one that does not", async () => {
    const [well, silent] = [await modelServer("a"), await modelServer()];
    silent.answer = () => undefined;
    const targets = [
      { id: "well", url: well.url },
      { id: "silent", url: silent.url },
    ];
    const proxy = await openProxy(modelDiscovery(staticTargets({ targets }), { ...slow, timeout: 50 }));
    await eventually(() => expect(modelsOf(proxy)).toEqual({ well: ["a"] }));
    await proxy.close();
  });

  test("keeps its models over a reload that does not reach it", async () => {
    const server = await modelServer("a");
    const plugins = [modelDiscovery(staticTargets({ targets: [{ id: "a", url: server.url }] }), slow)];
    const proxy = await openConfig({ plugins });
    server.answer = () => undefined;
    await proxy.reload();
    expect(modelsOf(proxy)).toEqual({ a: ["a"] });
    await proxy.close();
  });

  test("that has moved is another one", async () => {
    const [old, moved] = [await modelServer("old"), await modelServer("new")];
    const { plugin, sink } = told([{ id: "a", url: old.url }]);
    const proxy = await openProxy(modelDiscovery(plugin, slow));
    moved.answer = () => undefined;
    sink().upsert({ id: "a", url: moved.url });
    await eventually(() => expect(idsOf(proxy)).toEqual([]));
    await proxy.close();
  });

  test("comes, changes and leaves as its discovery says", async () => {
    const [one, two] = [await modelServer("a"), await modelServer("b")];
    const { plugin, sink } = told([{ id: "one", url: one.url }]);
    const proxy = await openProxy(modelDiscovery(plugin, slow));
    sink().upsert({ id: "two", url: two.url });
    await eventually(() => expect(modelsOf(proxy)).toEqual({ one: ["a"], two: ["b"] }));
    sink().upsert({ id: "two", url: two.url, weight: 3 });
    await eventually(() => expect(proxy.pools()[0]?.snapshot.all.map(({ weight }) => weight)).toEqual([1, 3]));
    expect(two.requests).toHaveLength(1);
    sink().remove("one");
    await eventually(() => expect(modelsOf(proxy)).toEqual({ two: ["b"] }));
    sink().fail(new Error("the source is away"));
    await eventually(() => expect(faultsOf(proxy)).toEqual(["the source is away"]));
    sink().replace([{ id: "two", url: two.url }]);
    await eventually(() => expect(faultsOf(proxy)).toEqual([]));
    expect(modelsOf(proxy)).toEqual({ two: ["b"] });
    await proxy.close();
  });
});

test("two of one pool stand beside each other, also over a reload", async () => {
  const [one, two] = [await modelServer("a"), await modelServer("b")];
  const of = (id: string, { url }: ModelServer): Plugin =>
    modelDiscovery(staticTargets({ targets: [{ id, url }] }), slow);
  const proxy = await openConfig({ plugins: [of("one", one), of("two", two)] });
  await proxy.reload();
  expect(modelsOf(proxy)).toEqual({ one: ["a"], two: ["b"] });
  await proxy.close();
});

test("an alias may name a model that no spec lists", async () => {
  const server = await modelServer("qwen3-8b");
  const targets = [{ id: "gpu", url: server.url, models: ["old"] }];
  const plugins = [
    modelDiscovery(staticTargets({ targets }), slow),
    alias({ fast: { targets: [{ model: "qwen3-8b", provider: "gpu" }] } }),
  ];
  const proxy = await openConfig({ plugins });
  const { attempts } = await proxy.explain({ path: "/v1/chat/completions", body: '{"model":"fast"}' });
  expect(attempts).toEqual(["gpu"]);
  await proxy.close();
});
