import OpenAI, { APIError } from "openai";
import { describe, expect, test } from "vitest";
import { contentGate, type ContentGateOptions } from "../../../plugins/stream/content-gate.ts";
import { sse } from "plugboard/plugins/stream/sse";
import { testGate, testPlugin } from "plugboard/testing";
import { begin, finish, played, type Played } from "../../core/exchange/played.ts";
import type { MemCall } from "../../core/mem-upstream.ts";
import { chunk, okEvents } from "../../wire/messages.ts";
import { openWire } from "../../wire/open-wire.ts";
import type { Peer } from "../../wire/evil-upstream.ts";

testPlugin({
  test,
  create: () => contentGate({ within: 1_000, floor: { perSecond: 5 } }),
  badOptions: [
    { options: { within: -1 }, says: "within: Expected 0 or more" },
    { options: { limit: 0 }, says: "limit: Expected 1 byte or more" },
    { options: { floor: { perSecond: 0 } }, says: "floor.perSecond: Expected tokens per second above 0" },
    { options: { floor: {} }, says: "floor.perSecond" },
    { options: { witin: 1 }, says: "within" },
  ],
});

const delta = (fields: object): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta: fields }] })}\n\n`;
const role = delta({ role: "assistant", content: "" });
const token = delta({ content: "Hi" });
const over = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
const failure = 'data: {"error":{"message":"CUDA out of memory at 10.0.0.7","code":500}}\n\n';

testGate({
  test,
  create: () => contentGate(),
  passes: {
    "a stream with a role and a token": role + token + over,
    "a stream that is over before its first token": role + over,
    "a stream of comments only": ": ping\n\n",
    "a stream with lines of CRLF": (role + token).replaceAll("\n", "\r\n"),
  },
  condemns: { "a stream that begins with an error": role + failure },
});

interface Asked {
  readonly stage: Played;
  readonly call: MemCall;
  readonly response: Promise<Response>;
}

/** A request whose upstream has answered 200, and nothing more yet. */
async function asked(options?: ContentGateOptions): Promise<Asked> {
  const stage = await played([contentGate(options)]);
  const response = stage.get({ method: "POST" });
  const call = await stage.call(0);
  begin(call, "text/event-stream; charset=utf-8");
  return { stage, call, response };
}

/** The other target answers, and the client hears of that answer only. */
async function expectFailover({ stage, response, call }: Asked): Promise<void> {
  const second = await stage.call(1);
  expect(second.target.id).not.toBe(call.target.id);
  begin(second, "text/event-stream");
  finish(second, token + over);
  expect(await (await response).text()).toBe(token + over);
  await stage.log.ended(1);
  expect(stage.inflight()).toEqual([0, 0]);
}

const say = (call: MemCall, text: string): boolean => call.sink.data(Buffer.from(text));

describe("before its first token a stream fails over", () => {
  test.each([
    ["an error as OpenAI and vLLM tell it", failure],
    ["an error after the role", role + failure],
    ["an error of a sort that vLLM told it by before", 'data: {"object":"error","message":"no","code":500}\n\n'],
    ["a limit", 'data: {"error":{"message":"slow down","code":429}}\n\n'],
    ["an error with a text only", 'data: {"error":"overloaded"}\n\n'],
    ["Anthropic's", 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n'],
    ["that of a response", 'event: response.failed\ndata: {"type":"response.failed","response":{}}\n\n'],
  ])("on %s", async (_what, events) => {
    const given = await asked();
    say(given.call, events);
    await expectFailover(given);
  });

  test("on an error that comes in pieces", async () => {
    const given = await asked();
    for (const byte of Buffer.from(role + failure)) given.call.sink.data(Uint8Array.of(byte));
    await expectFailover(given);
  });

  test("when it breaks off", async () => {
    const given = await asked();
    say(given.call, role);
    given.call.sink.error(new Error("reset"));
    await expectFailover(given);
  });

  test("when roles, comments and pings are all that comes in time", async () => {
    const given = await asked({ within: 1 });
    say(given.call, `: ping\n\n${role}event: ping\ndata: {"type":"ping"}\n\n`);
    await expectFailover(given);
  });

  test("when it is slower than the floor", async () => {
    let now = 0;
    const given = await asked({ floor: { perSecond: 10, over: 1_000 }, now: () => now });
    say(given.call, role + token);
    now = 500;
    say(given.call, token);
    now = 1_000;
    say(given.call, token);
    await expectFailover(given);
  });

  test("when it stops while its speed is measured", async () => {
    const given = await asked({ floor: { perSecond: 10, over: 1 } });
    say(given.call, token);
    await expectFailover(given);
  });
});

describe("a stream passes, from its first byte on", () => {
  test.each([
    ["with its first token", role + token],
    ["with a tool call", role + delta({ tool_calls: [{ index: 0, function: { name: "look" } }] })],
    ["with its end, though it is empty", role + over],
    ["with an error that is the client's fault", 'data: {"error":{"message":"too long","code":400}}\n\n'],
    ["with one of Anthropic's", 'event: error\ndata: {"type":"error","error":{"type":"invalid_request_error"}}\n\n'],
    ["with an error that is only text", delta({ content: 'data: {"error":{}}' })],
  ])("%s", async (_what, events) => {
    const { call, response } = await asked();
    say(call, events);
    const { body } = await response;
    finish(call, "rest");
    expect(await new Response(body).text()).toBe(`${events}rest`);
  });

  test("when it is as fast as the floor", async () => {
    let now = 0;
    const { call, response } = await asked({ floor: { perSecond: 10, over: 1_000 }, now: () => now });
    for (let i = 0; i <= 10; i++, now += 90) say(call, token);
    expect((await response).status).toBe(200);
    finish(call, "");
    expect(await (await response).text()).toBe(token.repeat(11));
  });

  test("when it has more bytes than are held", async () => {
    const { call, response } = await asked({ limit: 100 });
    const comments = ": ".padEnd(120, "x");
    say(call, comments);
    const { body } = await response;
    finish(call, "");
    expect(await new Response(body).text()).toBe(comments);
  });
});

test("an error after the first token is the client's, unchanged", async () => {
  const { call, response, stage } = await asked();
  say(call, token);
  finish(call, failure);
  expect(await (await response).text()).toBe(token + failure);
  expect(stage.calls).toHaveLength(1);
});

test.each([
  ["in one piece", { "content-type": "application/json" }],
  ["that is compressed", { "content-type": "text/event-stream", "content-encoding": "gzip" }],
])("an answer %s is not held", async (_what, headers) => {
  const stage = await played([contentGate()]);
  const response = stage.get();
  const call = await stage.call(0);
  call.sink.connected();
  call.sink.head(200, headers);
  expect((await response).status).toBe(200);
  finish(call, "x");
});

test("a client of OpenAI's SDK sees one whole stream, and no word of the one that failed", async () => {
  let requests = 0;
  const script = async (peer: Peer): Promise<void> => {
    await peer.request();
    requests += 1;
    const events = requests === 1 ? role + failure : role + token + over;
    await peer.write(`${okEvents()}${chunk(events)}0\r\n\r\n`);
  };
  const wire = await openWire([script, script], { plugins: [contentGate(), sse()] });
  const client = new OpenAI({ apiKey: "none", baseURL: `http://127.0.0.1:${wire.port}/v1`, maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "hello" }];
  let text = "";
  for await (const part of await client.chat.completions.create({ model: "m", messages, stream: true }))
    text += part.choices[0]?.delta.content ?? "";
  expect([text, requests]).toEqual(["Hi", 2]);
});

test("when all targets fail before their first token the client is told of an error, and of no upstream", async () => {
  const script = async (peer: Peer): Promise<void> => {
    await peer.request();
    await peer.write(`${okEvents()}${chunk(failure)}0\r\n\r\n`);
  };
  const wire = await openWire([script, script], { plugins: [contentGate()] });
  const client = new OpenAI({ apiKey: "none", baseURL: `http://127.0.0.1:${wire.port}/v1`, maxRetries: 0 });
  const error: unknown = await client.chat.completions
    .create({ model: "m", messages: [], stream: true })
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(APIError);
  expect(String(error)).toMatch(/502/);
  expect(String(error)).not.toMatch(/CUDA|10\.0\.0\.7/);
});
