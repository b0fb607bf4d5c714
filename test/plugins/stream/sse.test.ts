import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import OpenAI, { APIError } from "openai";
import { expect, onTestFinished, test, vi } from "vitest";
import {
  createProxy,
  definePlugin,
  type HeaderRecord,
  type Outcome,
  type Plugin,
  ProxyError,
  type Relay,
  type Slot,
} from "plugboard";
import { type SseOptions, sse } from "plugboard/plugins/stream/sse";
import { fakeExchange, relayOf, servicesOf, testPlugin, testRelay } from "plugboard/testing";

testRelay({ test, create: () => sse() });
testRelay({ test: (name, run) => test(`${name} (named event)`, run), create: () => sse({ errorEvent: "event" }) });
testRelay({ test: (name, run) => test(`${name} (silent)`, run), create: () => sse({ errorEvent: false }) });

testPlugin({
  test,
  create: () => sse({ idle: 1_000, errorEvent: "event" }),
  badOptions: [
    { options: { idle: -1 }, says: "idle: Expected 0 or more" },
    { options: { idle: 0.5 }, says: "idle: Expected whole milliseconds" },
    { options: { errorEvent: true }, says: "errorEvent" },
    { options: { now: 5 }, says: "now: Expected a function" },
    { options: { errorEvents: "data" }, says: 'did you mean "errorEvent"?' },
  ],
});

test.each<[HeaderRecord, boolean]>([
  [{ "content-type": "text/event-stream" }, true],
  [{ "content-type": "text/event-stream; charset=utf-8" }, true],
  [{ "content-type": "Text/Event-Stream ;charset=utf-8" }, true],
  [{ "content-type": "text/event-stream", "content-encoding": "identity" }, true],
  [{ "content-type": "text/event-stream", "content-encoding": "gzip" }, false],
  [{ "content-type": "text/event-stream-2" }, false],
  [{ "content-type": "application/json" }, false],
  [{}, false],
])("%j is relayed: %s", async (headers, relayed) => {
  const service = (await servicesOf("relay", [sse()])).get("sse");
  expect(service?.match(fakeExchange(), { status: 200, headers })).toBe(relayed);
});

test("hands on the very chunk it was given", async () => {
  const relay = await relayOf(sse());
  for (const text of ['data: {"usage":{"prompt_tokens":1}}\n\n', 'data: {"usa', 'ge":{}}', ""]) {
    const chunk = Buffer.from(text);
    expect(relay.data(chunk)).toBe(chunk);
  }
  const bare = new Uint8Array([1, 2, 3]);
  expect(relay.data(bare)).toBe(bare);
});

test.each<[SseOptions, number]>([
  [{}, 300_000],
  [{ idle: 0 }, 0],
  [{ idle: 7 }, 7],
])("with %j it allows a silence of %i ms", async (options, idle) => {
  expect((await relayOf(sse(options))).idle).toBe(idle);
});

test.each<[SseOptions["errorEvent"], string | undefined]>([
  ["data", '\n\ndata: {"error":{"message":"Gone.","type":"server_error","code":"upstream_reset","param":null}}\n\n'],
  [
    "event",
    '\n\nevent: error\ndata: {"error":{"message":"Gone.","type":"server_error","code":"upstream_reset","param":null}}\n\n',
  ],
  [false, undefined],
])("with errorEvent %j a break is told as %j", async (errorEvent, frame) => {
  const relay = await relayOf(sse({ errorEvent }));
  expect(relay.broken?.(new ProxyError("upstream_reset", "Gone."))?.toString()).toBe(frame);
});

const delta = 'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n';
const usage =
  'data: {"id":"1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n';

test("a client of OpenAI's API gets what came before a break, and then an error with its code", async () => {
  const { url } = await proxied([sse()], (response) => response.write(delta, () => response.socket?.destroySoon()));
  const client = new OpenAI({ apiKey: "none", baseURL: url, maxRetries: 0 });
  const stream = await client.chat.completions.create({ model: "m", messages: [], stream: true });
  const said: (string | null | undefined)[] = [];
  const end = (async () => {
    for await (const chunk of stream) said.push(chunk.choices[0]?.delta.content);
  })();
  await expect(end).rejects.toThrow(APIError);
  await expect(end).rejects.toMatchObject({ code: "upstream_reset", type: "server_error" });
  expect(said).toEqual(["Hi"]);
});

test("a stream that falls silent is told and cut", async () => {
  const { url } = await proxied([sse({ idle: 20 })], (response) => void response.write(delta));
  const response = await fetch(url);
  const pieces: string[] = [];
  const reading = (async () => {
    for await (const piece of response.body as AsyncIterable<Uint8Array>) pieces.push(Buffer.from(piece).toString());
  })();
  await expect(reading).rejects.toThrow();
  expect(pieces.join("")).toContain('"code":"stream_idle"');
});

test("notes the usage for other plugins, whether the stream ends or breaks", async () => {
  const seen: unknown[] = [];
  const noted = watching((tokens, outcome) => void seen.push([outcome.kind, tokens]));
  const whole = await proxied([sse(), noted()], (response) => response.end(delta + usage));
  await (await fetch(whole.url)).text();
  const broken = await proxied([sse(), noted()], (response) =>
    response.write(delta + usage, () => response.socket?.destroySoon()),
  );
  await (await fetch(broken.url)).text().catch(() => undefined);
  const none = await proxied([sse(), noted()], (response) => response.end(delta));
  await (await fetch(none.url)).text();
  const tokens = { promptTokens: 3, completionTokens: 4, totalTokens: 7 };
  const expected = [
    ["ok", tokens],
    ["stream-error", tokens],
    ["ok", undefined],
  ];
  await vi.waitFor(() => expect(seen).toEqual(expected));
});

test("notes how long after the response head the first token of content came, once", async () => {
  let time = 1_000;
  let slot: Slot<number> | undefined;
  const reader = definePlugin({ name: "reader", setup: (proxy) => void (slot = proxy.slot("first-token")) });
  const [service] = (await servicesOf("relay", [sse({ now: () => time }), reader()])).values();
  const x = fakeExchange();
  const relay = service?.create(x, { status: 200, headers: {} }) as Relay;
  const role = 'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n';
  for (const [chunk, noted] of [
    [": ping\n\n", undefined],
    [role, undefined],
    [delta.slice(0, 40), undefined],
    [delta.slice(40), 40],
    [delta, 40],
    [delta, 40],
    [usage, 40],
  ] as const) {
    time += 10;
    relay.data(Buffer.from(chunk));
    expect(slot?.get(x)).toBe(noted);
  }
});

test("notes no first token of a stream that has none", async () => {
  let slot: Slot<number> | undefined;
  const reader = definePlugin({ name: "reader", setup: (proxy) => void (slot = proxy.slot("first-token")) });
  const [service] = (await servicesOf("relay", [sse(), reader()])).values();
  const x = fakeExchange();
  service?.create(x, { status: 200, headers: {} }).data(Buffer.from(`${usage}data: [DONE]\n\n`));
  expect(slot?.get(x)).toBeUndefined();
});

function watching(see: (usage: unknown, outcome: Outcome) => void): () => Plugin {
  return definePlugin({
    name: "watching",
    setup(proxy) {
      const slot = proxy.slot("usage");
      return {
        end(x, outcome) {
          see(slot.get(x), outcome);
          return undefined;
        },
      };
    },
  });
}

/** A proxy in front of an upstream that begins a stream of events and goes on as told. */
async function proxied(
  plugins: readonly Plugin[],
  answer: (response: ServerResponse) => void,
): Promise<{ url: string }> {
  const upstream = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    answer(response);
  });
  upstream.listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const targets = definePlugin({
    name: "targets",
    setup(setup) {
      const { port } = upstream.address() as AddressInfo;
      setup.provide("discovery", "targets", { start: (sink) => sink.replace([{ url: `http://127.0.0.1:${port}` }]) });
    },
  });
  const proxy = await createProxy({ plugins: [targets(), ...plugins] });
  onTestFinished(async () => {
    upstream.close();
    upstream.closeAllConnections();
    await proxy.close({ deadline: 0 });
  });
  return proxy.listen();
}

const failure = 'data: {"error":{"message":"CUDA out of memory","code":500}}\n\n';

test.each<[string, readonly string[], boolean | undefined]>([
  ["ends with an error event", [delta, failure], true],
  ["ends with one, and a word of goodbye", [delta, failure, "data: [DONE]\n\n"], true],
  ["ends with one that comes in two pieces", [delta, failure.slice(0, 20), failure.slice(20)], true],
  ["is nothing but one", [failure], true],
  ["ends with one that is the client's fault", ['data: {"error":{"message":"too long","code":400}}\n\n'], undefined],
  ["is whole", [delta, usage, "data: [DONE]\n\n"], undefined],
  ["speaks of errors only", ['data: {"choices":[{"delta":{"content":"data: {\\"error\\":1}"}}]}\n\n'], undefined],
])("a stream that %s is noted as failed, or not", async (_what, chunks, noted) => {
  let slot: Slot<boolean> | undefined;
  const reader = definePlugin({ name: "reader", setup: (proxy) => void (slot = proxy.slot("stream-failed")) });
  const [service] = (await servicesOf("relay", [sse(), reader()])).values();
  const x = fakeExchange();
  const relay = service?.create(x, { status: 200, headers: {} }) as Relay;
  for (const chunk of chunks) relay.data(Buffer.from(chunk));
  expect(relay.end?.()).toBe(null);
  expect(slot?.get(x)).toBe(noted);
});

test.each([
  ["/v1/chat/completions", /^\n\ndata: \{"error":\{"message":"Gone\."/],
  [
    "/v1/messages",
    /^\n\nevent: error\ndata: \{"type":"error","error":\{"type":"api_error","message":"Gone\."\}\}\n\n$/,
  ],
  [
    "/v1/responses",
    /^\n\nevent: error\ndata: \{"type":"error","code":"upstream_reset","message":"Gone\.","param":null\}\n\n$/,
  ],
])("a break of a stream of %s is told as its API has it", async (path, expected) => {
  const relay = await relayOf(sse(), fakeExchange({ path }));
  expect(relay.broken?.(new ProxyError("upstream_reset", "Gone."))?.toString()).toMatch(expected);
});
