import { type TargetSpec, viewTarget } from "plugboard";
import { fakeTarget } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { toTargetFields } from "../../../core/targets/target.ts";
import { idsOf, poolRig, published } from "./pool-rig.ts";

describe("a target's URL", () => {
  test.each([
    ["http://a.test", "http://a.test", ""],
    ["http://a.test/", "http://a.test", ""],
    ["http://A.test:80/v1/", "http://a.test", "/v1"],
    ["https://a.test:8443/a/b//", "https://a.test:8443", "/a/b"],
    ["http://[::1]:9000/v1", "http://[::1]:9000", "/v1"],
    ["mem://a/x", "mem://a", "/x"],
  ])("%s is the origin %s and the base path %j", (url, origin, basePath) => {
    expect(toTargetFields({ url })).toMatchObject({ origin, basePath, id: url });
  });

  test.each([
    ["no URL", "nonsense", 'target url "nonsense" is not a URL'],
    ["nothing", "", 'target url "" is not a URL'],
    ["a host and a port without a scheme", "localhost:8001", 'target url "localhost:8001" is not a URL'],
    ["a scheme without a host", "mailto:somebody", 'target url "mailto:somebody" is not a URL'],
    ["a query", "http://a.test/?key=1", "has a query or a fragment"],
    ["a fragment", "http://a.test/#x", "has a query or a fragment"],
    ["credentials", "http://user:secret@a.test", "has credentials in it"],
  ])("with %s is refused: %s", (_what, url, message) => {
    expect(() => toTargetFields({ url })).toThrow(message);
  });

  test("that is refused for its credentials is not repeated with them", () => {
    expect(() => toTargetFields({ url: "http://user:secret@a.test" })).not.toThrow("secret");
  });
});

test("what a spec leaves out is filled in", () => {
  expect(toTargetFields({ url: "http://a.test" })).toEqual({
    id: "http://a.test",
    origin: "http://a.test",
    basePath: "",
    weight: 1,
    models: [],
    model: undefined,
    labels: {},
    meta: {},
    maxConcurrency: Infinity,
    timeouts: undefined,
    enabled: true,
    keepAlive: 4_000,
    maxConnections: 1_024,
    http2: false,
  });
});

const bad: readonly (readonly [string, Partial<TargetSpec>, RegExp])[] = [
  ["an empty id", { id: "" }, /target id "" is empty/],
  ["an id with spaces in it", { id: "a b" }, /target id "a b"/],
  ["an id with a line break", { id: "a\nb" }, /target id "a\\nb"/],
  ["an id that is too long", { id: "a".repeat(256) }, /too long/],
  ["a negative weight", { weight: -1 }, /weight -1/],
  ["a weight that is no number", { weight: Number.NaN }, /weight NaN/],
  ["a weight without end", { weight: Infinity }, /weight Infinity/],
  ["no keep-alive at all", { keepAlive: 0 }, /\b0\b/],
  ["a negative keep-alive", { keepAlive: -1 }, /-1/],
  ["a negative number of connections", { maxConnections: -1 }, /-1/],
  ["a number of connections that is none", { maxConnections: Number.NaN }, /NaN/],
];

test.each(bad)("%s is refused with its value", (_what, spec, message) => {
  expect(() => toTargetFields({ url: "http://a.test", ...spec })).toThrow(message);
});

describe("a spec that is refused", () => {
  test("does not take the others down with it", async () => {
    const { pool, sink, sources } = poolRig();
    sink.replace([{ url: "http://a.test" }, { url: "nonsense" }, { url: "http://b.test" }]);
    await published();
    expect(idsOf(pool)).toEqual(["http://a.test", "http://b.test"]);
    expect(sources).toEqual([expect.stringContaining('"nonsense"')]);
  });

  test.each([
    ["null", null],
    ["a text", "http://a.test"],
    ["an object without a url", {}],
    ["models that are no list", { url: "http://a.test", models: 5 }],
  ])("may be anything a registry makes up: %s", async (_what, spec) => {
    const { pool, sink, sources } = poolRig();
    sink.replace([{ url: "http://b.test" }, spec as TargetSpec]);
    await published();
    expect(idsOf(pool)).toEqual(["http://b.test"]);
    expect(sources).toEqual([expect.not.stringContaining("well")]);
  });
});

describe("a view of a target", () => {
  test("has another weight, and all else of the target", () => {
    const target = fakeTarget({ id: "a", weight: 1, labels: { zone: "z" } });
    expect(viewTarget(target, { weight: 3 })).toEqual({ ...target, weight: 3 });
    expect(viewTarget(target, { weight: 3 }).live).toBe(target.live);
  });

  test("leaves the target as it is", () => {
    const target = fakeTarget({ weight: 1 });
    viewTarget(target, { weight: 3 });
    expect(target.weight).toBe(1);
  });
});
