import { addressRules } from "plugboard";
import { describe, expect, test } from "vitest";
import { readEntry } from "../../../plugins/discovery/_registry-entry.ts";
import { eventually } from "../../e2e/eventually.ts";
import { upstream } from "../health/started.ts";
import { startRig } from "./registry-rig.ts";
import { entry, stubRegistry } from "./stub-registry.ts";

function read(given: unknown, allow: readonly string[] = ["loopback", "private"], types = ["openai-api"]) {
  return readEntry(given, { types, addresses: allow, rules: addressRules(allow), isTaken: (name) => name === "taken" });
}

const openai = { type: "openai-api" };

test("an entry becomes a target with all it says", () => {
  const metadata = {
    ...openai,
    models: ["x", "y"],
    models_list: [{ id: "x" }],
    cache_type: "paged",
    zone: "a",
    provider: "openai",
    rank: 1,
    service: "theirs",
  };
  const given = entry("n-server", {
    host: "10.0.0.1",
    port: 8001,
    url: "http://10.0.0.1:8001/v1",
    weight: 2.5,
    metadata,
  });
  expect(read(given)).toEqual({
    name: "n-server",
    down: undefined,
    spec: {
      id: "n-server",
      url: "http://10.0.0.1:8001/v1",
      weight: 2.5,
      models: ["x", "y"],
      labels: { cache_type: "paged", zone: "a" },
      meta: { ...metadata, service: { name: "n-server", host: "10.0.0.1", port: 8001, hostname: "box" } },
      addresses: ["loopback", "private"],
    },
  });
});

test("an entry of the registry that came before has no weight, and is worth 1", () => {
  expect(read(entry("a", { weight: undefined }))).toMatchObject({ spec: { weight: 1 } });
});

test.each([
  [{ url: undefined, host: "10.0.0.1", port: 80 }, "http://10.0.0.1:80"],
  [{ url: undefined, host: "::1", port: 8_000 }, "http://[::1]:8000"],
  [{ url: undefined, host: "gpu-box.lan", port: 8_000 }, "http://gpu-box.lan:8000"],
])("without a url the host and the port make it: %j", (fields, url) => {
  expect(read(entry("a", fields))).toMatchObject({ spec: { url } });
});

test("without a host and a port, views find those of the url", () => {
  const none = { host: undefined, port: undefined, hostname: undefined };
  const service = (url: string) => read(entry("a", { ...none, url }));
  expect(service("http://[::1]:81")).toMatchObject({
    spec: { meta: { service: { name: "a", host: "::1", port: 81 } } },
  });
  expect(service("https://10.0.0.1")).toMatchObject({ spec: { meta: { service: { host: "10.0.0.1", port: 443 } } } });
});

test("models are the texts among them, and none where it is no list", () => {
  const models = (value: unknown) => read(entry("a", { metadata: { ...openai, models: value } }));
  expect(models(["x", 1, "", null, "y"])).toMatchObject({ spec: { models: ["x", "y"] } });
  expect(models("x")).toMatchObject({ spec: { models: [] } });
  expect(models(undefined)).toMatchObject({ spec: { models: [] } });
});

test.each([
  [{ metadata: { type: "vLLM" } }],
  [{ metadata: {} }],
  [{ metadata: undefined }],
  [{ metadata: { type: ["openai-api"] } }],
  [{ metadata: { type: "vLLM" }, url: "nonsense", name: "" }],
])("another type is somebody else's, whatever is wrong with it: %j", (fields) => {
  expect(read(entry("a", fields))).toBeUndefined();
});

test.each([
  [{ is_healthy: false }, "no heartbeat within its lease"],
  [{ is_healthy: false, status: "stopping" }, "status stopping"],
  [{ is_healthy: false, status: "\u001b[31m" }, "not running"],
  [{ is_healthy: false, status: 5 }, "not running"],
  [{ is_healthy: "yes" }, "no heartbeat within its lease"],
  [{ is_healthy: undefined, status: "stopped" }, "status stopped"],
  [{ is_healthy: undefined }, undefined],
  [{ is_healthy: undefined, status: undefined }, undefined],
])("it is down when the registry says so: %j", (fields, down) => {
  expect(read(entry("a", fields))).toMatchObject({ spec: {}, down });
});

describe("an entry is refused", () => {
  const deep = JSON.parse(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`) as object;
  const own = JSON.parse('{"type":"openai-api","models_list":[{"__proto__":{"x":1}}]}') as object;
  test.each<[string, object, string]>([
    ["without a name", { name: undefined }, "its name is not"],
    ["for a name that is too long", { name: "a".repeat(129) }, "its name is not"],
    ["for __proto__", { name: "__proto__" }, "its name is not"],
    ["for a name with spaces", { name: "a b" }, "its name is not"],
    ["for a name of the config", { name: "taken" }, "the config has a target of that name"],
    ["for a __proto__ in its metadata", { metadata: own }, "its metadata has a field __proto__"],
    ["for metadata without end", { metadata: { ...openai, deep } }, "its metadata has more than 64 levels"],
    ["for metadata that is no object", { metadata: ["openai-api"] }, "its metadata is no object"],
    ["for a weight below 0", { weight: -1 }, "its weight"],
    ["for a weight beyond all", { weight: 1e308 }, "its weight"],
    ["for a weight that is no number", { weight: Number.NaN }, "its weight"],
    ["for a weight in quotes", { weight: "2" }, "its weight"],
    ["for a url that is none", { url: "10.0.0.1:8000" }, "its url is no http or https URL"],
    ["for another scheme", { url: "unix:///run/x.sock" }, "its url is no http or https URL"],
    ["for three slashes", { url: "http:///x" }, "its url is no http or https URL"],
    ["for a port beyond all", { url: "http://10.0.0.1:99999" }, "its url is no http or https URL"],
    ["for credentials", { url: "http://u:p@10.0.0.1" }, "its url has credentials in it"],
    ["for a query", { url: "http://10.0.0.1/?a" }, "its url has a query"],
    ["for spaces", { url: "http://10.0.0.1/ a" }, "its url has spaces"],
    ["for a url without end", { url: `http://10.0.0.1/${"a".repeat(300)}` }, "its url is longer"],
    ["for no place at all", { url: undefined, host: "a/b", port: 80 }, "it has neither a url nor a host and a port"],
    ["for no port", { url: undefined, port: 0 }, "it has neither a url nor a host and a port"],
    ["for a public address", { url: "http://8.8.8.8" }, "8.8.8.8 is not in loopback, private"],
    ["for cloud metadata", { url: "http://169.254.169.254/latest" }, "169.254.169.254 is link-local"],
    ["for an address in disguise", { url: "http://[::ffff:169.254.169.254]" }, "is link-local"],
    ["for an address as a number", { url: "http://2852039166" }, "is link-local"],
  ])("%s", (_, fields, why) => {
    expect(read({ ...entry("a"), ...fields })).toMatchObject({ refused: expect.stringContaining(why) });
  });

  test.each([null, "a", 1, ["a"]])("when it is %j", (given) => {
    expect(read(given)).toMatchObject({ refused: "it is no object" });
  });

  test("by itself: the others come, and each name and reason is told once", async () => {
    const registry = await stubRegistry([
      entry("bad", { weight: -1 }),
      entry("far", { url: "http://8.8.8.8" }),
      entry("good"),
    ]);
    const { ids, log } = await startRig({ url: registry.url });
    expect(ids()).toEqual(["good"]);
    await eventually(() => expect(registry.watchers).toBe(1));
    registry.put(entry("bad", { weight: -2 }), entry("bad", { weight: 3 }), entry("bad", { weight: -3 }));
    registry.put(entry("last"));
    await eventually(() => expect(ids()).toEqual(["good", "bad", "last"]));
    const lines = log.filter((line) => line.includes("left out")).map((line) => line.replace(/^.*service /, ""));
    expect(lines).toEqual([
      '"bad" of the registry is left out: its weight is no number of 0 to 1000000',
      '"far" of the registry is left out: 8.8.8.8 is not in loopback, private',
      '"bad" of the registry is left out: its weight is no number of 0 to 1000000',
    ]);
  });

  test("without filling the log when there are many", async () => {
    const many = Array.from({ length: 500 }, (_, index) => entry(`bad-${index}`, { weight: -1 }));
    const registry = await stubRegistry([...many, entry("good")]);
    const { ids, log } = await startRig({ url: registry.url });
    expect(ids()).toEqual(["good"]);
    expect(log.length).toBeLessThan(110);
  });

  test("at its connection, when its name leads to where no target may be", async () => {
    const { url, requests } = await upstream();
    const named = entry("named", { url: url.replace("127.0.0.1", "localhost") });
    const registry = await stubRegistry([named]);
    const { ids, proxy, reload } = await startRig({ url: registry.url, allow: ["10.0.0.0/8"] });
    const status = async (): Promise<number> => (await proxy.fetch(new Request("http://proxy/"))).status;
    expect(ids()).toEqual(["named"]);
    expect(await status()).toBe(502);
    expect(requests).toHaveLength(0);
    await reload({ allow: ["loopback"] });
    expect(await status()).toBe(200);
    expect(requests).toHaveLength(1);
  });
});
