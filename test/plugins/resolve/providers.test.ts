import { type Provider, providers, type ProvidersOptions } from "plugboard/plugins/resolve/providers";
import { discoveryOf, fakeSink, testDiscovery, testPlugin } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { openStage } from "./_provider-stage.ts";

const url = "https://api.example.com";
const openai: Provider = { url, auth: { key: "sk-test" }, models: ["gpt-4o-mini"] };
const bad = (provider: unknown, says: string | RegExp): { options: unknown; says: string | RegExp } => ({
  options: { openai: provider },
  says,
});

testPlugin({
  test,
  create: () => providers({ openai }),
  badOptions: [
    { options: { "open/ai": { url } }, says: "open/ai" },
    { options: { "open:ai": { url } }, says: "open:ai" },
    { options: { "": { url } }, says: "Expected a name" },
    bad(true, "openai"),
    bad({}, "openai.url: Expected either a url, or urls"),
    bad({ urls: {} }, "openai.url: Expected either a url, or urls"),
    bad({ url, urls: { openai: url } }, "openai.url: Expected either a url, or urls"),
    bad({ ulr: url }, 'did you mean "url"'),
    bad({ url: "api.openai.com" }, "openai.url: Expected a URL with its scheme"),
    bad({ url: "https://user:password@host" }, "openai.url: Expected a URL without credentials"),
    bad({ url: `${url}?key=1` }, "openai.url: Expected a URL without query"),
    bad({ url: "https:///v1" }, "openai.url: Expected a URL such as"),
    bad({ url: `${url}/ v1` }, "openai.url: Expected a URL without spaces"),
    bad({ url: `${url}/${"a".repeat(255)}` }, "openai.url: Expected a URL of 255"),
    bad({ urls: { openai: "x" } }, "openai.urls.openai: Expected a URL"),
    bad({ urls: { antropic: url } }, 'did you mean "anthropic"'),
    bad({ url, auth: { type: "bearer" } }, "openai.auth.key"),
    bad({ url, auth: { key: "" } }, "openai.auth.key: Expected a key, not an empty string"),
    bad({ url, auth: { key: "sk\n" } }, "openai.auth.key: Expected a key without spaces, line ends"),
    bad({ url, auth: { key: "a b" } }, "openai.auth.key: Expected a key without spaces"),
    bad({ url, auth: { type: "x-api-kye", key: "sk" } }, 'did you mean "x-api-key"'),
    bad({ url, auth: { type: "bearer", kee: "sk" } }, 'did you mean "key"'),
    bad({ url, models: [""] }, "openai.models.0"),
    bad({ url, models: { "": {} } }, "openai.models."),
    bad({ url, models: { m: { prise: 1 } } }, 'did you mean "price"'),
    bad({ url, models: { m: { extraBody: { model: "x" } } } }, "openai.models.m.extraBody.model: The model is what"),
    bad({ url, extraBody: { model: "x" } }, "openai.extraBody.model: The model is what the request"),
    bad({ url, extraBody: { a: undefined } }, "openai.extraBody.a: Expected a value that JSON can hold"),
    bad({ url, extraBody: { a: 1n } }, "openai.extraBody.a: Expected a value that JSON can hold"),
    bad({ url, headers: { "x y": "1" } }, "openai.headers.x y: Expected the name of a header"),
    bad({ url, headers: { "x-y": "a\r\nb: c" } }, "openai.headers.x-y: Expected printable ASCII"),
    bad({ url, headers: { "x-y": "" } }, "openai.headers.x-y"),
    bad({ url, headers: { "Content-Length": "1" } }, "openai.headers.Content-Length: Expected a header that"),
    bad({ url, headers: { "transfer-encoding": "chunked" } }, "does not frame the request"),
    bad({ url, headers: ["x: y"] }, "openai.headers: Expected values by name, not a list"),
    bad({ url, extraBody: [1] }, "openai.extraBody: Expected values by name, not a list"),
    bad({ url, labels: ["x"] }, "openai.labels: Expected values by name, not a list"),
    { options: [{ url }], says: "Expected values by name, not a list" },
    bad({ url, price: -1 }, "openai.price: Expected dollars, 0 or more"),
    bad({ url, price: Infinity }, "openai.price: Expected dollars"),
    bad({ url, price: { input: 1 } }, "openai.price.output"),
    bad({ url, price: { input: 1, output: 2, upTo: 3 } }, "openai.price.upTo"),
    bad({ url, price: [] }, "openai.price: Expected at least one price"),
    bad({ url, price: [{ input: 1, output: 2, upTo: 0 }] }, "openai.price.0.upTo: Expected a number of tokens"),
    bad({ url, models: { m: { price: "1" } } }, "openai.models.m.price"),
    bad({ url, labels: { provider: "x" } }, "openai.labels.provider: The label is the provider's name"),
    bad({ url, timeouts: { connect: -1 } }, "openai.timeouts.connect"),
    bad({ url, timeouts: { total: 1 } }, "openai.timeouts.total"),
    bad({ url, maxConcurrency: 0 }, "openai.maxConcurrency"),
    bad({ url, weight: -1 }, "openai.weight"),
    bad({ url, enabled: "no" }, "openai.enabled"),
    bad({ url, pool: "" }, "openai.pool"),
  ],
});

describe("as a discovery", () => {
  testDiscovery({
    test,
    create: () => providers({ openai, off: { url: "https://off.example.com", enabled: false } }),
    expected: [
      { id: "openai", url, models: ["gpt-4o-mini"] },
      { id: "off", url: "https://off.example.com", enabled: false },
    ],
  });

  test("fills each pool with the providers that name it", async () => {
    const { proxy } = await openStage([providers({ openai, other: { url, pool: "spare" }, third: { url } })]);
    const pools = proxy.pools().map(({ name, snapshot }) => [name, snapshot.all.map(({ id }) => id)]);
    expect(Object.fromEntries(pools)).toEqual({ default: ["openai", "third"], spare: ["other"] });
  });

  test("makes a target of all that a provider says, and nothing secret", async () => {
    const sink = fakeSink();
    const price = [
      { input: 1, output: 2, upTo: 1_000 },
      { input: 2, output: 4, request: 0.1 },
    ];
    const given: Provider = {
      url: `${url}/v1`,
      auth: { key: "sk-canary" },
      headers: { "x-org": "canary" },
      extraBody: { user: "canary" },
      models: { a: { price: 3, extraBody: { b: "canary" } }, b: {} },
      price,
      weight: 2,
      maxConcurrency: 5,
      timeouts: { connect: 1, headers: 2, idle: 3 },
      labels: { tier: "paid" },
    };
    await (await discoveryOf(providers({ p: given }))).start(sink, new AbortController().signal);
    expect(sink.targets.get("p")).toEqual({
      id: "p",
      url: `${url}/v1`,
      weight: 2,
      maxConcurrency: 5,
      timeouts: { connect: 1, headers: 2, idle: 3 },
      enabled: undefined,
      models: ["a", "b"],
      labels: { tier: "paid", provider: "p" },
      meta: { price, prices: { a: 3 } },
    });
    expect(JSON.stringify([...sink.targets])).not.toContain("canary");
  });

  test("makes one target of URLs of one host, and one each of those of several", async () => {
    const sink = fakeSink();
    const options: ProvidersOptions = {
      one: { urls: { openai: url, anthropic: `${url}/anthropic` } },
      two: { urls: { openai: url, anthropic: "https://claude.example.com", gemini: `${url}/v1beta` } },
      only: { urls: { anthropic: url } },
    };
    await (await discoveryOf(providers(options))).start(sink, new AbortController().signal);
    const told = [...sink.targets.values()].map(({ id, url: at, labels, meta }) => [id, at, labels, meta]);
    expect(told).toEqual([
      ["one", url, { provider: "one" }, { dialects: ["openai", "anthropic"] }],
      ["two:openai", url, { provider: "two", dialect: "openai,gemini" }, { dialects: ["openai", "gemini"] }],
      [
        "two:anthropic",
        "https://claude.example.com",
        { provider: "two", dialect: "anthropic" },
        { dialects: ["anthropic"] },
      ],
      ["only", url, { provider: "only" }, { dialects: ["anthropic"] }],
    ]);
  });
});
