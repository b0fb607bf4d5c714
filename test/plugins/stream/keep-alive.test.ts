import type { Plugin } from "plugboard";
import { cors } from "plugboard/plugins/guard/cors";
import { requestId } from "plugboard/plugins/guard/request-id";
import { testPlugin } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { keepAlive } from "../../../plugins/stream/keep-alive.ts";
import { outcomeLog } from "../../core/exchange/outcome-log.ts";
import { quickPlugin } from "../../core/quick-plugin.ts";
import type { Peer, Script } from "../../wire/evil-upstream.ts";
import { chunk, lastChunk, message, ok, okEvents, post } from "../../wire/messages.ts";
import { openWire, type Wire } from "../../wire/open-wire.ts";
import type { OpenResponse, RawClient } from "../../wire/raw-client.ts";
import { within } from "../../wire/waiting.ts";

testPlugin({
  test,
  create: () => keepAlive({ after: 5_000, every: 2_000, comment: "still working" }),
  badOptions: [
    { options: { after: 0.5 }, says: "after: Expected 1 or more milliseconds" },
    { options: { after: Infinity }, says: "after: Expected 1 or more milliseconds" },
    { options: { every: -1 }, says: "every: Expected 1 or more milliseconds" },
    { options: { comment: "a\nb" }, says: "comment: Expected one line, without CR or LF" },
    { options: { comment: "a\r" }, says: "comment: Expected one line, without CR or LF" },
  ],
});

const soon = { after: 20, every: 20 };
const json = "Content-Type: application/json";
const stream = '{"model":"m","stream":true}';

interface Asked {
  readonly client: RawClient;
  readonly peer: Peer;
}

/** Sends a request that its upstream has, and has not answered. */
async function ask(wire: Wire, body = stream, ...headers: string[]): Promise<Asked> {
  const client = await wire.client();
  await client.send(post("/v1/chat/completions", body, ...(headers.length > 0 ? headers : [json])));
  const peer = await within(wire.upstream.accept(), "the upstream is asked");
  await peer.request();
  return { client, peer };
}

/** Reads until so many comments have come. */
async function comments(response: OpenResponse, count: number): Promise<string> {
  let text = "";
  while (text.split(": keep-alive\n\n").length <= count) {
    const piece = await within(response.next(), "a comment");
    text += piece?.data.toString("latin1");
  }
  return text;
}

/** As long as three comments take. */
async function awhile(wire: Wire): Promise<void> {
  const { client, peer } = await ask(wire);
  await comments(await client.head(), 3);
  client.destroy();
  await peer.ending;
}

test("a client that waits for a stream is sent comments, and then the stream, unchanged", async () => {
  const wire = await openWire(undefined, { plugins: [keepAlive(soon)] });
  const { client, peer } = await ask(wire);
  const response = await client.head();
  expect(response.status).toBe(200);
  expect(response.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(response.get("cache-control")).toBe("no-cache");
  expect(response.get("x-accel-buffering")).toBe("no");
  expect(await comments(response, 3)).toBe(": keep-alive\n\n".repeat(3));
  const events = "\xef\xbb\xbfdata: a\r\n\r\n: own\rid: 1\ndata:\xe2\x82\xac\n\n";
  await peer.write(`${okEvents()}${chunk(events)}${lastChunk}`);
  const { ending, text } = await response.whole();
  expect(ending).toBe("complete");
  expect(text.replaceAll(": keep-alive\n\n", "")).toBe(events);
});

test("the comment is the one that was asked for", async () => {
  const wire = await openWire(undefined, { plugins: [keepAlive({ ...soon, comment: "bin dran: ü" })] });
  const { client } = await ask(wire);
  const first = await (await client.head()).next();
  expect(first?.data.toString()).toBe(": bin dran: ü\n\n");
});

test("an answer that comes in time is as ever, and a stream that has begun is let alone", async () => {
  const wire = await openWire(undefined, { plugins: [keepAlive(soon)] });
  const { client, peer } = await ask(wire);
  await peer.write(`${okEvents()}${chunk("data: 1\n\n")}`);
  const response = await client.head();
  expect(response.get("content-type")).toBe("text/event-stream");
  expect(response.get("x-accel-buffering")).toBeUndefined();
  await awhile(wire);
  await peer.write(`${chunk("data: 2\n\n")}${lastChunk}`);
  expect((await response.whole()).text).toBe("data: 1\n\ndata: 2\n\n");
});

test("nothing is sent before its time", async () => {
  const wire = await openWire(undefined, { plugins: [keepAlive({ after: 60_000, every: 20 })] });
  const { client, peer } = await ask(wire);
  await awhile(await openWire(undefined, { plugins: [keepAlive(soon)] }));
  await peer.write(ok("{}"));
  expect((await client.response()).text).toBe("{}");
});

/** Wants bodies of every type. */
const reading = (): Plugin => quickPlugin("reading", (proxy) => proxy.needs({ body: 1_000 }));

describe("nothing is sent early to a client that asked for", () => {
  test.each<[string, string, string?]>([
    ["no stream", '{"stream":false}'],
    ["nothing", '{"model":"m"}'],
    ["a word", '{"stream":"true"}'],
    ["null", '{"stream":null}'],
    ["a stream, and then a word", '{"stream":true,"stream":"true"}'],
    ["a stream further down", '{"options":{"stream":true}}'],
    ["a list", '[{"stream":true}]'],
    ["a text that says so", '{"text":"{\\"stream\\": true}","a":"\\\\"}'],
    ["a value of that name", '{"a":"stream","true":true}'],
    ["a stream, and then none", '{"stream":true,"stream":false}'],
    ["a stream in another type", stream, "Content-Type: text/plain"],
    ["an empty body", ""],
  ])("%s", async (_, body, type = json) => {
    const wire = await openWire(undefined, { plugins: [keepAlive(soon), reading()] });
    const { client, peer } = await ask(wire, body, type);
    await awhile(wire);
    await peer.write(ok("{}"));
    const response = await client.response();
    expect([response.get("content-type"), response.text]).toEqual([undefined, "{}"]);
  });
});

describe("a stream is asked for by", () => {
  test.each<[string, string, string?]>([
    ["spaces", '\n{ "a" : 1.5e3 ,\r\n\t"stream" : true }'],
    ["a type with parameters", stream, "Content-Type: application/json; charset=utf-8"],
    ["what stands behind objects, lists and texts", '{"a":{"b":[{}, "]", "}\\"", "\\\\"]},"ü":"é","stream":true}'],
    ["what stands before a value of that name", '{"stream":true,"a":"stream"}'],
    ["what stands last", '{"stream":false,"stream":true}'],
    ["a body that is not whole JSON", '{"stream":true,"a":"'],
  ])("%s", async (_, body, type = json) => {
    const wire = await openWire(undefined, { plugins: [keepAlive(soon)] });
    const { client } = await ask(wire, body, type);
    await comments(await within(client.head(), "a head"), 1);
  });
});

describe("when it goes wrong after a comment", () => {
  const refusal = message(["HTTP/1.1 429 Slow", json, "Content-Length: 2"], "{}");

  test.each<[string, Script, string]>([
    ["the upstream breaks off", (peer) => peer.reset(), "upstream_reset"],
    ["the upstream refuses", (peer) => peer.write(refusal), "upstream_protocol"],
  ])("because %s, the client is told in the stream, and its answer does not end well", async (_, script, code) => {
    const wire = await openWire(undefined, { plugins: [keepAlive(soon)] });
    const { client, peer } = await ask(wire);
    const response = await client.head();
    await comments(response, 1);
    await script(peer);
    const { text, ending } = await response.whole();
    const [, event = ""] = /\n\ndata: (.*)\n\n$/.exec(`\n\n${text}`) ?? [];
    expect(JSON.parse(event)).toMatchObject({ error: { code } });
    expect(ending).not.toBe("complete");
  });

  test("because the client leaves, the upstream is left, and nobody waits any more", async () => {
    const log = outcomeLog();
    const wire = await openWire(undefined, { plugins: [keepAlive(soon), log.plugin] });
    const { client, peer } = await ask(wire);
    await comments(await client.head(), 1);
    client.reset();
    await within(peer.ending, "the upstream sees it");
    await log.ended(1);
    expect(log.attempts.map(({ kind }) => kind)).toEqual(["client-abort"]);
    expect(wire.proxy.status().active).toBe(0);
  });
});

test("those who wait while the config is reloaded go on to be sent comments", async () => {
  const wire = await openWire(undefined, { plugins: [keepAlive(soon)] });
  const { client, peer } = await ask(wire);
  const response = await client.head();
  await comments(response, 1);
  await wire.proxy.reload(wire.config);
  await comments(response, 3);
  await peer.write(`${okEvents()}${chunk("data: 1\n\n")}${lastChunk}`);
  expect((await response.whole()).text).toMatch(/data: 1\n\n$/);
});

test("headers that other plugins set by themselves are there, too", async () => {
  const plugins = [requestId(), cors({ origins: ["https://a.example"] }), keepAlive(soon)];
  const wire = await openWire(undefined, { plugins });
  const { client } = await ask(wire, stream, json, "Origin: https://a.example");
  const response = await client.head();
  expect(response.get("x-request-id")).toMatch(/./);
  expect(response.get("access-control-allow-origin")).toBe("https://a.example");
});

test("explain says when, of what asks for a stream", async () => {
  const { proxy } = await openWire(undefined, { plugins: [keepAlive()] });
  const note = "keep-alive: comments after 10000 ms without an answer";
  expect((await proxy.explain({ body: stream })).steps).toContainEqual({ phase: "inspect", note });
  expect((await proxy.explain({ body: "{}" })).steps).toEqual([]);
});
