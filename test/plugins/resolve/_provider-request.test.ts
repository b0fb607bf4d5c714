import type { Plugin, ProxyConfig } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { type Provider, providers } from "plugboard/plugins/resolve/providers";
import { inOrder } from "plugboard/plugins/select/in-order";
import { describe, expect, test } from "vitest";
import { closedUrl } from "../../wire/closed-port.ts";
import { openStage, openUpstream, type Seen, type Stage } from "./_provider-stage.ts";

const json = { "content-type": "application/json" };

async function open(provider: Omit<Provider, "url">, more: readonly Plugin[] = []): Promise<Stage & { seen: Seen[] }> {
  const upstream = await openUpstream();
  const stage = await openStage([providers({ p: { url: upstream.url, ...provider } }), ...more]);
  return { ...stage, seen: upstream.seen };
}

describe("credentials", () => {
  const client = {
    authorization: "Bearer client-key",
    "x-api-key": "client-key",
    "api-key": "client-key",
    "X-Goog-Api-Key": "client-key",
    cookie: "session=client-key",
    "x-other": "stays",
  };

  test.each(["bearer", "x-api-key", "x-goog-api-key", "api-key"] as const)(
    "of the provider, as %s, take the place of all of the client's",
    async (type) => {
      const { send, seen } = await open({ auth: { type, key: "own-key" } });
      await send("/v1/models?key=client-key&a=1", { headers: client });
      const [{ url: path, headers } = { url: "", headers: {} as Seen["headers"] }] = seen;
      expect(path).toBe("/v1/models?a=1");
      const name = type === "bearer" ? "authorization" : type;
      expect(headers[name]).toBe(type === "bearer" ? "Bearer own-key" : "own-key");
      expect(headers["x-other"]).toBe("stays");
      expect(JSON.stringify(seen)).not.toContain("client-key");
    },
  );

  test("of the client are sent on to a provider that has none", async () => {
    const { send, seen } = await open({});
    await send("/v1/models?key=client-key", { headers: client });
    expect(seen[0]?.url).toBe("/v1/models?key=client-key");
    const { "X-Goog-Api-Key": google, ...rest } = client;
    expect(seen[0]?.headers).toMatchObject({ ...rest, "x-goog-api-key": google });
  });

  const failing: [string, () => Promise<{ url: string; seen: Seen[] }>, ProxyConfig["retry"]][] = [
    [
      "an answer of 500",
      () => openUpstream((res) => void res.writeHead(500).end()),
      { statuses: [500], nonIdempotent: true },
    ],
    ["a reset", () => openUpstream((res) => void res.destroy()), { nonIdempotent: true }],
    ["a refused connection", async () => ({ url: await closedUrl(), seen: [] }), {}],
  ];

  test.each(failing)("of a provider never reach another after %s", async (_, fail, retry) => {
    const [a, b, c] = [await fail(), await fail(), await openUpstream()];
    const { ask } = await openStage(
      [
        providers({
          a: { url: a.url, auth: { key: "key-of-a" }, headers: { "x-a": "only-a" }, extraBody: { a: "only-a" } },
          b: { url: b.url, auth: { type: "x-api-key", key: "key-of-b" } },
          c: { url: c.url },
        }),
        inOrder(),
      ],
      { retry },
    );
    const answer = await ask("m", { authorization: "Bearer client-key" });
    expect(answer.status).toBe(200);
    const [toA, toB, toC] = [a.seen, b.seen, c.seen].map((seen) => JSON.stringify(seen));
    if (a.seen.length > 0) {
      expect(a.seen[0]?.headers.authorization).toBe("Bearer key-of-a");
      expect(toA).toContain("only-a");
      expect(b.seen[0]?.headers).toMatchObject({ "x-api-key": "key-of-b" });
      expect(b.seen[0]?.headers).not.toHaveProperty("authorization");
    }
    expect(toA).not.toMatch(/key-of-b|client-key/);
    expect(toB).not.toMatch(/key-of-a|client-key|only-a/);
    expect(toC).not.toMatch(/key-of-a|key-of-b|only-a/);
    expect(c.seen[0]?.headers.authorization).toBe("Bearer client-key");
    expect(c.seen[0]?.text).toBe('{"model":"m"}');
  });

  test("are not given to a target of the same id at another host", async () => {
    const [other, own] = [await openUpstream(), await openUpstream()];
    const { send } = await openStage([
      staticTargets({ targets: [{ id: "p", url: other.url, labels: { provider: "p" } }] }),
      providers({ p: { url: own.url, auth: { key: "own-key" } } }),
    ]);
    await send("/v1/models");
    expect(own.seen).toEqual([]);
    expect(other.seen[0]?.headers).not.toHaveProperty("authorization");
  });

  test("are not given to targets of other plugins", async () => {
    const { send, seen } = await open({ auth: { key: "own-key" }, weight: 0 }, [
      staticTargets({ targets: [await openUpstream().then((other) => ({ id: "other", url: other.url }))] }),
    ]);
    expect((await send("/v1/models")).status).toBe(200);
    expect(seen).toEqual([]);
  });
});

describe("headers", () => {
  test("of the provider are sent in place of the client's", async () => {
    const { send, seen } = await open({ headers: { "OpenAI-Organization": "org-1", "X-Title": "us" } });
    await send("/", { headers: { "x-title": "them", "x-mine": "1" } });
    expect(seen[0]?.headers).toMatchObject({ "openai-organization": "org-1", "x-title": "us", "x-mine": "1" });
  });

  test("may replace what auth has set", async () => {
    const { send, seen } = await open({ auth: { key: "k" }, headers: { Authorization: "Token k" } });
    await send("/");
    expect(seen[0]?.headers.authorization).toBe("Token k");
  });
});

describe("the path", () => {
  test("is added to the URL as it is", async () => {
    const { send, seen } = await open({});
    await send("/v1/chat/completions?a=%2F&b");
    expect(seen[0]?.url).toBe("/v1/chat/completions?a=%2F&b");
  });

  test("has its version once when the URL ends in one", async () => {
    const upstream = await openUpstream();
    const { send } = await openStage([providers({ p: { url: `${upstream.url}/api/v1/` } })]);
    await send("/v1/chat/completions?a");
    await send("/chat/completions");
    expect(upstream.seen.map((seen) => seen.url)).toEqual(["/api/v1/chat/completions?a", "/api/v1/chat/completions"]);
  });

  test("tells which of several URLs of one host is meant", async () => {
    const { url: host, seen } = await openUpstream();
    const urls = { openai: `${host}/v1`, anthropic: `${host}/anthropic`, gemini: host };
    const { send } = await openStage([providers({ p: { urls } })]);
    const paths = ["/v1/chat/completions", "/v1/messages?beta=true", "/v1beta/models/m:generateContent", "/v1/models"];
    for (const path of paths) await send(path);
    expect(seen.map((each) => each.url)).toEqual([
      "/v1/chat/completions",
      "/anthropic/v1/messages?beta=true",
      "/v1beta/models/m:generateContent",
      "/v1/models",
    ]);
  });

  test("of an API without a URL of its own goes to the first", async () => {
    const { url: host, seen } = await openUpstream();
    const { send } = await openStage([providers({ p: { urls: { openai: `${host}/o`, anthropic: `${host}/a` } } })]);
    await send("/v1beta/models/m:generateContent");
    expect(seen[0]?.url).toBe("/o/v1beta/models/m:generateContent");
  });
});

describe("extra fields", () => {
  const extraBody = { provider: { order: ["x"] }, temperature: 0 };

  test("are put into a JSON body, with every other byte as it was", async () => {
    const { send, seen } = await open({ extraBody });
    const body = '{ "model":"m", "temperature" : 1.0, "seed":12345678901234567890 }';
    await send("/v1/chat/completions", { body, headers: json });
    expect(seen[0]?.text).toBe(
      '{ "model":"m", "temperature" : 0, "seed":12345678901234567890,"provider":{"order":["x"]} }',
    );
    expect(seen[0]?.headers["content-length"]).toBe(String(seen[0]?.text.length));
  });

  test("are put into a body that is too long to come in one piece", async () => {
    const { send, seen } = await open({ extraBody: { a: 1 } });
    const content = "x".repeat(1_000_000);
    expect((await send("/", { body: JSON.stringify({ content }), headers: json })).status).toBe(200);
    expect(JSON.parse(seen[0]?.text ?? "")).toEqual({ content, a: 1 });
  });

  test.each([
    ["that is not JSON", { body: "a=1", headers: { "content-type": "application/x-www-form-urlencoded" } }],
    ["that is a list", { body: "[1]", headers: json }],
    ["of a GET", { method: "GET", body: "{}", headers: json }],
  ])("are not put into a body %s", async (_, sent) => {
    const { send, seen } = await open({ extraBody });
    expect((await send("/", sent)).status).toBe(200);
    expect(seen[0]?.text).toBe(sent.body);
  });

  test("need a body that is valid JSON and not compressed", async () => {
    const { send, seen } = await open({ extraBody });
    const broken = await send("/", { body: '{"a":', headers: json });
    expect([broken.status, broken.code]).toEqual([400, "invalid_json"]);
    const compressed = await send("/", { body: "{}", headers: { ...json, "content-encoding": "gzip" } });
    expect([compressed.status, compressed.code]).toEqual([415, "unsupported_encoding"]);
    expect(seen).toEqual([]);
  });

  test("of a model take precedence over the provider's, and are its alone", async () => {
    const models = { big: { extraBody: { temperature: 1, top_k: 5 } }, small: {} };
    const { ask, seen } = await open({ extraBody, models });
    for (const model of ["big", "small", "other"]) await ask(model);
    expect(seen.map(({ text }) => JSON.parse(text) as object)).toEqual([
      { model: "big", ...extraBody, temperature: 1, top_k: 5 },
      { model: "small", ...extraBody },
      { model: "other", ...extraBody },
    ]);
  });
});
