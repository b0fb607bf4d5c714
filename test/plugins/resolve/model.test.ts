import { definePlugin, defineSelector, type Plugin } from "plugboard";
import { alias } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { testPlugin, testResolver } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { down, first, open } from "./stage.ts";

testResolver({ test, create: () => model({ unknown: 404 }), name: "qwen3-8b" });

testPlugin({
  test,
  create: () => model(),
  badOptions: [
    { options: { unknown: 500 }, says: "unknown" },
    { options: { pool: "" }, says: "pool" },
    { options: { selector: 1 }, says: "selector" },
  ],
});

/** Sets the model before anyone looks into the body. */
const fromHeader = definePlugin({
  name: "from-header",
  setup: () => ({
    request(x) {
      x.model = x.headers["x-model"] as string | undefined;
    },
  }),
});

describe("a request that names a model", () => {
  test("goes to a target that lists it", async () => {
    const { ask } = await open({
      targets: { a: { models: ["x"] }, b: { models: ["y", "z"] } },
      plugins: [first(), model()],
    });
    expect(await ask("x")).toMatchObject({ target: "a", model: "x" });
    expect(await ask("z")).toMatchObject({ target: "b", model: "z" });
  });

  test("goes to all targets that list it, and to those that list none", async () => {
    const targets = {
      a: { models: ["x"] },
      b: { models: ["y"] },
      c: { models: ["x", "y"] },
      any: {},
    };
    const { ask, seen } = await open({ targets, plugins: [roundRobin(), model()] });
    for (let i = 0; i < 6; i++) await ask("x");
    expect(seen.map(({ target }) => target).toSorted()).toEqual(["a", "a", "any", "any", "c", "c"]);
  });

  test("that none lists goes to those that list none", async () => {
    const { ask } = await open({
      targets: { a: { models: ["x"] }, any: {} },
      plugins: [first(), model()],
    });
    expect(await ask("whatever")).toMatchObject({ target: "any", model: "whatever" });
  });

  test("is a 503 when all targets that serve it are down", async () => {
    const { ask } = await open({
      targets: { a: { models: ["x"] }, b: { models: ["y"] } },
      plugins: [first(), model(), down("a")],
    });
    expect(await ask("x")).toMatchObject({ status: 503, code: "no_targets" });
    expect(await ask("y")).toMatchObject({ target: "b" });
  });

  test("that is down is not taken for unknown by targets that list none", async () => {
    const { ask } = await open({
      targets: { a: { models: ["x"] }, any: {} },
      plugins: [first(), model(), down("a")],
    });
    expect(await ask("x")).toMatchObject({ target: "any" });
  });

  test("is asked of alias first, wherever that stands", async () => {
    const fast = alias({ x: { targets: [{ model: "y" }] } });
    const { ask } = await open({
      targets: { a: { models: ["x"] }, b: { models: ["y"] } },
      plugins: [first(), model(), fast],
    });
    expect(await ask("x")).toMatchObject({ target: "b", model: "y" });
    expect(await ask("y")).toMatchObject({ target: "b", model: "y" });
  });
});

describe("a request that names none", () => {
  test.each([
    ["an object", { body: "{}" }],
    ["a list", { body: '["model"]' }],
    ["a GET", { body: "", method: "GET" }],
    ["text", { body: '{"model":"y"', headers: { "content-type": "text/plain" } }],
  ])("goes to any target of the pool: %s", async (_, request) => {
    const { ask } = await open({ targets: { a: { models: ["x"] } }, plugins: [first(), model()] });
    expect(await ask(request)).toMatchObject({ status: 200, target: "a" });
  });

  test("is a 503 when the pool is down", async () => {
    const { ask } = await open({
      targets: { a: { models: ["x"] } },
      plugins: [first(), model(), down("a")],
    });
    expect(await ask({ body: "{}" })).toMatchObject({ status: 503, code: "no_targets" });
  });
});

describe("a model that another plugin has set", () => {
  const open1 = () => open({ targets: { a: { models: ["x"] } }, plugins: [first(), fromHeader(), model()] });

  test("is the model, and the body is not looked into", async () => {
    const { ask } = await open1();
    const headers = { "content-type": "application/json", "x-model": "x" };
    expect(await ask({ body: '{"model":1', headers })).toMatchObject({ status: 200, target: "a" });
  });

  test("leaves the body to be looked into when it is none", async () => {
    const { ask } = await open1();
    expect(await ask("y")).toMatchObject({ status: 404 });
  });
});

test("bodies that another plugin asked for are looked into only if they are JSON", async () => {
  const curious: Plugin = definePlugin({
    name: "curious",
    setup: (proxy) => proxy.needs({ body: 1_000 }),
  })();
  const { ask } = await open({
    targets: { a: { models: ["x"] } },
    plugins: [first(), curious, model()],
  });
  expect(await ask({ body: '{"model":"y"}', headers: { "content-type": "text/plain" } })).toMatchObject({
    status: 200,
  });
  expect(await ask({ body: '{"model":"y"}', method: "DELETE" })).toMatchObject({ status: 200 });
  expect(await ask({ body: '{"model":"y"}' })).toMatchObject({ status: 404 });
});

test("a body without a type is taken for JSON", async () => {
  const { proxy } = await open({ targets: { a: { models: ["x"] } }, plugins: [first(), model()] });
  const request = new Request("http://proxy/", {
    method: "POST",
    body: Buffer.from('{"model":"y"}'),
  });
  expect((await proxy.fetch(request)).status).toBe(404);
});

test("a content coding that says there is none is fine", async () => {
  const { ask } = await open({ targets: { a: { models: ["x"] } }, plugins: [first(), model()] });
  const headers = { "content-type": "application/json", "content-encoding": "Identity" };
  expect(await ask({ body: '{"model":"x"}', headers })).toMatchObject({ status: 200 });
});

test("the pool and the selector may be others than the default", async () => {
  const last = defineSelector({ name: "last", pick: (targets) => targets.at(-1) });
  const targets = { a: { models: ["x"] }, b: { models: ["x"] } };
  const { ask } = await open({ targets, plugins: [first(), last(), model({ selector: "last" })] });
  expect(await ask("x")).toMatchObject({ target: "b" });
  const other = await open({ targets, plugins: [first(), model({ pool: "other" })] });
  expect(await other.ask("x")).toMatchObject({ status: 503 });
});

describe("explain", () => {
  test.each([
    [{ model: "x" }, "model: targets list 'x'", ["a", "any"]],
    [{ model: "y" }, "model: no target lists 'y', so those that list none serve it", ["any"]],
    [{}, "model: the request names none, so the whole pool serves it", ["a", "b", "any"]],
  ])("says what %j leads to", async (body, note, kept) => {
    const targets = { a: { models: ["x"] }, b: { models: ["z"] }, any: {} };
    const { proxy } = await open({ targets, plugins: [first(), model()] });
    const { steps, candidates } = await proxy.explain({
      path: "/",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
    expect(steps).toContainEqual({ phase: "resolve", note });
    expect(candidates.filter((candidate) => candidate.kept).map(({ id }) => id)).toEqual(kept);
  });

  test("says why a target is none for the model", async () => {
    const { proxy } = await open({
      targets: { a: { models: ["x"] }, b: { models: ["z"] } },
      plugins: [first(), model()],
    });
    const { candidates } = await proxy.explain({ body: '{"model":"x"}' });
    expect(candidates).toContainEqual(
      expect.objectContaining({ id: "b", kept: false, reason: "does not list the model 'x'" }),
    );
  });
});
