import { describe, expect, test } from "vitest";
import { createProxy, type TargetSpec } from "plugboard";
import { staticTargets, type StaticTargetsOptions } from "plugboard/plugins/discovery/static-targets";
import { discoveryOf, fakeSink, servicesOf, testDiscovery, testPlugin } from "plugboard/testing";

const full: TargetSpec = {
  id: "gpu-1",
  url: "http://127.0.0.1:8001/v1",
  weight: 2.5,
  models: ["qwen3-8b"],
  labels: { zone: "a" },
  meta: { price: 0.2, tags: ["fast"] },
  keepAlive: 10_000,
  maxConnections: 8,
};

testDiscovery({
  test,
  create: () => staticTargets({ targets: [full, "http://127.0.0.1:8002"] }),
  expected: [full, { url: "http://127.0.0.1:8002" }],
});

describe("in a pool of its own", () => {
  const create = () => staticTargets({ targets: ["http://127.0.0.1:8003"], pool: "embeddings" });
  testDiscovery({ test, create, expected: [{ url: "http://127.0.0.1:8003" }], pool: "embeddings" });
});

testPlugin({
  test,
  create: () => staticTargets({ targets: [full, "http://127.0.0.1:8002"] }),
  badOptions: [
    { options: undefined, says: "targets: " },
    { options: { targets: "http://127.0.0.1:8001" }, says: "targets: " },
    { options: { targets: [{ ur: "http://127.0.0.1:8001" }] }, says: "targets.0.url: " },
    { options: { targets: [{ url: "http://a", wieght: 1 }] }, says: "targets.0.wieght: " },
    {
      options: { targets: [{ url: "http://a", weight: -1 }] },
      says: "targets.0.weight: Expected 0 or more",
    },
    {
      options: { targets: [{ url: "http://a", weight: 1e7 }] },
      says: "targets.0.weight: Expected 1000000 or less",
    },
    { options: { targets: [{ url: "http://a", weight: Number.NaN }] }, says: "targets.0.weight: " },
    { options: { targets: [{ url: "http://a", weight: Infinity }] }, says: "targets.0.weight: " },
    {
      options: { targets: [{ url: "http://a", models: [""] }] },
      says: "targets.0.models.0: Expected a word",
    },
    {
      options: { targets: [{ url: "http://a", labels: { zone: 1 } }] },
      says: "targets.0.labels.zone: ",
    },
    {
      options: { targets: [{ url: "http://a", keepAlive: 1.5 }] },
      says: "targets.0.keepAlive: Expected whole milliseconds",
    },
    {
      options: { targets: [{ url: "http://a", maxConnections: 0 }] },
      says: "targets.0.maxConnections: Expected 1 or more",
    },
    { options: { targets: [], pool: "" }, says: "pool: Expected a word" },
    {
      options: { targets: ["http://a", "http://b", "http://a"] },
      says: /targets\.2: The id "http:\/\/a" is taken by targets\.0 already/,
    },
    {
      options: {
        targets: [
          { id: "a", url: "http://a" },
          { id: "a", url: "http://b" },
        ],
      },
      says: /targets\.1: .* by targets\.0 /,
    },
    {
      options: { targets: ["http://a", { id: "http://a", url: "http://b" }] },
      says: /targets\.1: .* by targets\.0 /,
    },
  ],
});

describe("a url", () => {
  const bad = {
    "127.0.0.1:8001": "with its scheme",
    "localhost:8001": "with its scheme",
    "//127.0.0.1": "with its scheme",
    "/v1": "with its scheme",
    "mailto:a@b": "with its scheme",
    "": "with its scheme",
    "http://": "such as",
    "http:///v1": "such as",
    "http://127.0.0.1:99999": "such as",
    [`http://127.0.0.1/${"a".repeat(255)}`]: "255 characters",
    "http://user:pass@127.0.0.1": "without credentials",
    "http://user@127.0.0.1": "without credentials",
    "http://127.0.0.1/?a=1": "without query",
    "http://127.0.0.1/?": "without query",
    "http://127.0.0.1/#a": "without query",
    " http://127.0.0.1": "without spaces",
    "http://127.0.0.1/\n": "without spaces",
    "http:\\\\127.0.0.1": "without spaces",
  };
  for (const [url, says] of Object.entries(bad)) {
    test(`like ${JSON.stringify(url.slice(0, 40))} is refused: ${says}`, async () => {
      await expect(discoveryOf(staticTargets({ targets: [url] }))).rejects.toThrow(says);
      await expect(discoveryOf(staticTargets({ targets: [{ url }] }))).rejects.toThrow(says);
    });
  }

  for (const url of [
    "http://127.0.0.1:8001",
    "https://[::1]:8443/v1/",
    "HTTP://localhost",
    "mock://llm",
    "http://h%41st/~a",
  ]) {
    test(`like ${url} is taken, and is the default id`, async () => {
      expect([...(await pushed([url])).keys()]).toEqual([url]);
    });
  }
});

describe("an id", () => {
  for (const id of ["a", "gpu-1", "Qwen/Qwen3-8B@v2.1_x:0+", "9", "a".repeat(255)]) {
    test(`like ${id.slice(0, 30)} is taken`, async () => {
      expect([...(await pushed([{ id, url: "http://a" }])).keys()]).toEqual([id]);
    });
  }

  for (const id of ["", "-a", "a b", "ä", "a\n", "a".repeat(256), "<b>"]) {
    test(`like ${JSON.stringify(id.slice(0, 30))} is refused`, async () => {
      await expect(discoveryOf(staticTargets({ targets: [{ id, url: "http://a" }] }))).rejects.toThrow(
        "targets.0.id: ",
      );
    });
  }
});

test("every problem is told at once", async () => {
  const options = {
    targets: ["a", { url: "http://b", weight: -1 }],
    pool: 1,
  } as unknown as StaticTargetsOptions;
  const message = await discoveryOf(staticTargets(options)).then(
    () => "",
    (error: Error) => error.message,
  );
  expect(message.split("\n").map((line) => line.split(": ").slice(0, 2).join(": "))).toEqual([
    "plugins[0] static-targets: targets.0",
    "plugins[0] static-targets: targets.1.weight",
    "plugins[0] static-targets: pool",
  ]);
});

test("two lists in one config are two sources, for one pool or for several", async () => {
  const services = await servicesOf("discovery", [
    staticTargets({ targets: ["http://127.0.0.1:1"] }),
    staticTargets({ targets: ["http://127.0.0.1:2"] }),
    staticTargets({ targets: ["http://127.0.0.1:1"], pool: "other" }),
  ]);
  expect([...services.values()].map(({ pool }) => pool)).toEqual(["default", "default", "other"]);
});

test("two lists that begin with the same target are refused", async () => {
  const same = () => staticTargets({ targets: ["http://127.0.0.1:1"] });
  await expect(servicesOf("discovery", [same(), same()])).rejects.toThrow("is provided twice");
});

test("a target that stands in two lists is one: the first speaks for it", async () => {
  const shared = (weight: number) => ({ url: "http://127.0.0.1:1", weight });
  const lists = [
    staticTargets({ targets: [shared(1)] }),
    staticTargets({ targets: ["http://127.0.0.1:2", shared(2)] }),
  ];
  const proxy = await createProxy({ plugins: lists });
  expect(proxy.pools()[0]?.snapshot.all.map(({ id, weight }) => [id, weight])).toEqual([
    ["http://127.0.0.1:1", 1],
    ["http://127.0.0.1:2", 1],
  ]);
  await proxy.close();
});

test("what the config changes later changes nothing", async () => {
  const given = { url: "http://127.0.0.1:1", labels: { zone: "a" }, models: ["m"] };
  const discovery = await discoveryOf(staticTargets({ targets: [given] }));
  given.labels.zone = "b";
  given.models.push("n");
  const sink = fakeSink();
  await discovery.start(sink, new AbortController().signal);
  expect(sink.targets.get("http://127.0.0.1:1")).toEqual({
    url: "http://127.0.0.1:1",
    labels: { zone: "a" },
    models: ["m"],
  });
});

async function pushed(targets: StaticTargetsOptions["targets"]): Promise<ReadonlyMap<string, TargetSpec>> {
  const sink = fakeSink();
  await (await discoveryOf(staticTargets({ targets }))).start(sink, new AbortController().signal);
  return sink.targets;
}
