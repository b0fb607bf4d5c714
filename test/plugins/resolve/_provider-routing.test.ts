import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { direct } from "plugboard/plugins/resolve/direct";
import { model } from "plugboard/plugins/resolve/model";
import { type Provider, providers } from "plugboard/plugins/resolve/providers";
import { cost } from "plugboard/plugins/select/cost";
import { inOrder } from "plugboard/plugins/select/in-order";
import { models } from "plugboard/plugins/stats/models";
import { testResolver } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { openStage, openUpstream, type Stage, type Upstream } from "./_provider-stage.ts";

interface Two extends Stage {
  readonly cheap: Upstream;
  readonly dear: Upstream;
}

const aliases: AliasOptions = {
  fast: {
    targets: [
      { provider: "cheap", model: "small" },
      { provider: "dear", model: "big" },
    ],
    defaults: { temperature: 0.5 },
    set: { user: "alias" },
  },
  off: { targets: [{ provider: "off", model: "old" }] },
};

/** Two services; the first answers its first so many requests with 503. */
async function openTwo(
  options: { failures?: number; cheap?: Partial<Provider>; dear?: Partial<Provider> } = {},
): Promise<Two> {
  let left = options.failures ?? 0;
  const cheap = await openUpstream((res) => void res.writeHead(left-- > 0 ? 503 : 200).end());
  const dear = await openUpstream();
  const stage = await openStage(
    [
      model(),
      alias(aliases),
      models(),
      inOrder(),
      providers({
        cheap: { url: `${cheap.url}/v1`, auth: { key: "key-of-cheap" }, models: ["small"], ...options.cheap },
        dear: {
          url: `${dear.url}/api/v4`,
          auth: { type: "x-api-key", key: "key-of-dear" },
          models: { big: { price: 9, extraBody: { user: "dear", top_k: 1 } } },
          extraBody: { store: false },
          ...options.dear,
        },
        off: { url: "http://127.0.0.1:9", models: ["old"], enabled: false },
      }),
    ],
    { retry: { statuses: [503], nonIdempotent: true } },
  );
  return { ...stage, cheap, dear };
}

describe("providers behind an alias", () => {
  test("get their own name of the model, path and key, and the next one its own when the first fails", async () => {
    const { ask, cheap, dear } = await openTwo({ failures: 1 });
    expect((await ask("fast", { authorization: "Bearer client-key" })).status).toBe(200);
    expect(cheap.seen[0]).toMatchObject({
      url: "/v1/chat/completions",
      headers: { authorization: "Bearer key-of-cheap" },
      text: '{"model":"small","user":"alias","temperature":0.5}',
    });
    expect(dear.seen[0]).toMatchObject({ url: "/api/v4/chat/completions", headers: { "x-api-key": "key-of-dear" } });
    expect(dear.seen[0]?.headers).not.toHaveProperty("authorization");
    expect(JSON.parse(dear.seen[0]?.text ?? "")).toEqual({
      model: "big",
      store: false,
      top_k: 1,
      user: "alias",
      temperature: 0.5,
    });
  });

  test("have the last word on what an alias has no more than a default for", async () => {
    const { ask, cheap } = await openTwo({ cheap: { extraBody: { temperature: 0 } } });
    await ask("fast");
    expect(JSON.parse(cheap.seen[0]?.text ?? "")).toEqual({ model: "small", temperature: 0, user: "alias" });
  });

  test("are passed over while they are switched off", async () => {
    const { ask, cheap, dear } = await openTwo({ cheap: { enabled: false } });
    expect((await ask("fast")).status).toBe(200);
    expect([cheap.seen.length, dear.seen.length]).toEqual([0, 1]);
    const off = await ask("off");
    expect([off.status, off.code]).toEqual([404, "model_disabled"]);
  });

  test("are named by the config: an alias that names none of them refuses to start", async () => {
    const unknown = { fast: { targets: [{ provider: "cheep", model: "small" }] } };
    const start = openStage([alias(unknown), inOrder(), providers({ cheap: { url: "http://127.0.0.1:9" } })]);
    await expect(start).rejects.toThrow("cheep");
  });
});

describe("providers behind the plugin model", () => {
  test("get the requests for the models that they list", async () => {
    const { ask, cheap, dear } = await openTwo();
    await ask("small");
    await ask("big");
    expect((await ask("huge")).code).toBe("model_not_found");
    expect(cheap.seen.map(({ text }) => text)).toEqual(['{"model":"small"}']);
    expect(JSON.parse(dear.seen[0]?.text ?? "")).toEqual({ model: "big", store: false, user: "dear", top_k: 1 });
  });

  test("take provider/model", async () => {
    const { ask, dear } = await openTwo();
    await ask("dear/big");
    expect(JSON.parse(dear.seen[0]?.text ?? "")).toEqual({ model: "big", store: false, user: "dear", top_k: 1 });
  });

  test("have their models listed", async () => {
    const { send } = await openTwo();
    const { data } = JSON.parse((await send("/v1/models")).text) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(["fast", "small", "big"]));
  });
});

test("of a provider with a host for each API, each gets the requests of its own", async () => {
  const [chat, claude, other] = [await openUpstream(), await openUpstream(), await openUpstream()];
  const { send } = await openStage([
    direct(),
    alias({ fast: { targets: [{ provider: "p", model: "m" }] } }),
    model(),
    providers({
      other: { urls: { gemini: other.url }, models: ["m"] },
      p: { urls: { openai: chat.url, anthropic: `${claude.url}/anthropic` }, auth: { key: "k" }, models: ["m"] },
    }),
  ]);
  const names = ["m", "fast", "p/m", "direct/p/m"];
  for (const path of ["/v1/chat/completions", "/v1/messages"]) {
    for (const name of names) {
      const body = JSON.stringify({ model: name });
      const answer = await send(path, { body, headers: { "content-type": "application/json" } });
      expect([path, name, answer.status]).toEqual([path, name, 200]);
    }
  }
  expect(chat.seen.map(({ url, text }) => [url, text])).toEqual(
    names.map(() => ["/v1/chat/completions", '{"model":"m"}']),
  );
  expect(claude.seen.map(({ url, text }) => [url, text])).toEqual(
    names.map(() => ["/anthropic/v1/messages", '{"model":"m"}']),
  );
  expect(other.seen).toEqual([]);
});

test("selectors read the prices of providers and of their models", async () => {
  const [one, two] = [await openUpstream(), await openUpstream()];
  const { ask } = await openStage([
    model(),
    cost(),
    providers({
      one: { url: one.url, price: 1, models: { a: {}, b: { price: 5 } } },
      two: { url: two.url, price: 2, models: ["a", "b"] },
    }),
  ]);
  await ask("a");
  await ask("b");
  expect(one.seen.map(({ text }) => text)).toEqual(['{"model":"a"}']);
  expect(two.seen.map(({ text }) => text)).toEqual(['{"model":"b"}']);
});

test("explain tells what a provider changes, and neither its key nor the client's", async () => {
  const { proxy } = await openTwo();
  const { steps, upstream } = await proxy.explain({
    path: "/v1/chat/completions?key=client-key",
    headers: { authorization: "Bearer client-key" },
    body: '{"model":"big"}',
  });
  expect(steps.filter(({ phase }) => phase === "upstreamRequest").map(({ note }) => note)).toEqual([
    "providers: the path is /api/v4/chat/completions at 'dear'",
    "providers: 'dear' gets credentials of its own in place of the client's",
    "providers: the body gets the extra fields of 'dear'",
  ]);
  expect(upstream?.url).toMatch(/\/api\/v4\/chat\/completions$/);
  expect(upstream?.headers["x-api-key"]).toBe("***");
  expect(JSON.stringify({ steps, upstream })).not.toMatch(/key-of|client-key/);
});

describe("beside providers, an alias resolves as ever", () => {
  testResolver({
    test,
    create: () => alias({ fast: { targets: [{ model: "qwen3-8b" }] } }),
    others: () => [providers({ p: { url: "http://127.0.0.1:9", models: ["else"], extraBody: { a: 1 } } })],
    name: "fast",
    upstreamModel: "qwen3-8b",
  });
});
