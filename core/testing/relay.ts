import assert from "node:assert/strict";
import type { Exchange } from "../contract/exchange.ts";
import type { Relay } from "../contract/services.ts";
import { ProxyError } from "../errors.ts";
import type { Plugin } from "../plugin.ts";
import { seededRandom } from "../seeded-random.ts";
import { fakeExchange } from "./fakes.ts";
import { servicesOf, type Test } from "./plugin.ts";
import { streamThrough } from "./relayed-stream.ts";
import { parseSse } from "./sse-parser.ts";

export interface RelaySuite {
  readonly test: Test;
  /** A new plugin for each case; it relays `text/event-stream` without changing it. */
  readonly create: () => Plugin;
}

const event = 'data: {"choices":[{"delta":{"content":"naïve 🦙 ✓"}}],"usage":null}\n\n';
const last = 'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n';

/** Streams that are hard to keep as they are. */
const streams: Readonly<Record<string, string>> = {
  "line ends of LF": `${event}${event}${last}data: [DONE]\n\n`,
  "line ends of CRLF": `${event}${last}data: [DONE]\n\n`.replaceAll("\n", "\r\n"),
  "line ends of CR": `${event}${last}data: [DONE]\n\n`.replaceAll("\n", "\r"),
  "line ends of every kind": "data: a\ndata: b\r\ndata: c\r\r\n\n\r\ndata: d\n\r",
  "a byte order mark": `\ufeff${event}`,
  "all fields, comments and odd lines": `: ping\n\nid: 7\nretry: 10\nevent: x\ndata:no space\ndata:  two\n\ndata\n\n:\nnonsense\n\n`,
  "a line of 64 KiB": `data: "${"usage é".repeat(8_192)}"\n\n${last}`,
  "an unfinished event": `${event}data: {"choices":[{"del`,
  "null bytes": "data: \0\n\n",
  nothing: "",
};

/**
 * Tests the laws that hold for every relay of server-sent events that passes them on unchanged.
 *
 * @example
 * testRelay({ test, create: () => sse() });
 */
export function testRelay({ test, create }: RelaySuite): void {
  const fresh = (): Promise<Relay> => relayOf(create());
  testBytes(test, fresh);
  testBreaks(test, fresh);
  testOnTheWire(test, create);
}

function testBytes(test: Test, fresh: () => Promise<Relay>): void {
  for (const [name, stream] of Object.entries(streams)) {
    test(`keeps every byte of a stream with ${name}, however it is cut into chunks`, async () => {
      const bytes = Buffer.from(stream);
      for (const sizes of [[1], [2], [7], [bytes.length], random(1), random(2)]) {
        const chunks = slice(bytes, sizes);
        const before = chunks.map((chunk) => Buffer.from(chunk));
        const out = pass(await fresh(), chunks);
        assert.deepEqual(chunks, before, "a chunk was changed in place");
        assert.ok(
          out.equals(bytes),
          `in chunks of ${sizes.join(", ")} it became ${JSON.stringify(out.toString().slice(0, 200))}`,
        );
      }
    });
  }

  test("two exchanges share nothing", async () => {
    const relays = [await fresh(), await fresh()] as const;
    const whole = relays.map(() => [] as Uint8Array[]);
    for (const piece of slice(Buffer.from(streams["line ends of LF"] ?? ""), [3])) {
      relays.forEach((relay, index) => whole[index]?.push(relay.data(piece) ?? new Uint8Array()));
    }
    assert.deepEqual(Buffer.concat(whole[0] ?? []), Buffer.concat(whole[1] ?? []));
    // What is half said on one must not end up in the other.
    const [half, other] = [await fresh(), await fresh()];
    half.data(Buffer.from('data: {"half'));
    assert.ok(pass(other, [Buffer.from(event)]).equals(Buffer.from(event)));
  });
}

function testBreaks(test: Test, fresh: () => Promise<Relay>): void {
  for (const end of ["\n", "\r\n", "\r"]) {
    test(`tells a break as an event of its own, wherever a stream with ${JSON.stringify(end)} is cut`, async () => {
      const bytes = Buffer.from(`\ufeffid: 1\n${event}: ping\n\n${event}`.replaceAll("\n", end));
      for (let length = 0; length <= bytes.length; length++) {
        await assertTold(await fresh(), bytes.subarray(0, length), "The upstream is gone.");
      }
    });
  }

  test("tells a break in one line, whatever the message is", async () => {
    for (const message of [
      "a\nb",
      "a\rb",
      "a\r\n\r\ndata: [DONE]",
      "a\u2028b\u2029\u0085c",
      '"}\n\n',
      "\0\u001b[2J",
      "\ud800",
    ]) {
      await assertTold(await fresh(), Buffer.from(event), message);
    }
  });
}

function testOnTheWire(test: Test, create: () => Plugin): void {
  test("a whole stream reaches the client whole", async () => {
    const received = await streamThrough(create(), [event, event, last], "whole");
    assert.ok(received.endsWith("\r\n0\r\n\r\n"), `the stream has no end: ${JSON.stringify(received.slice(-40))}`);
    assert.ok(received.includes("naïve 🦙 ✓"));
  });

  for (const cut of ["close", "reset"] as const) {
    test(`a stream that the upstream cuts (${cut}) is cut for the client, never ended`, async () => {
      const received = await streamThrough(create(), [event, event], cut);
      assert.ok(received.includes("naïve 🦙 ✓"), "what came before the cut is lost");
      assert.ok(
        !/\r\n0\r\n(\r\n)?$/.test(received),
        `the client saw a clean end: ${JSON.stringify(received.slice(-80))}`,
      );
    });
  }
}

/** Makes the relay that a plugin has for one stream of server-sent events. */
export async function relayOf(plugin: Plugin, x: Exchange = fakeExchange()): Promise<Relay> {
  const [service] = (await servicesOf("relay", [plugin])).values();
  assert.ok(service, `plugin "${plugin.name}" provides no relay`);
  const head = { status: 200, headers: { "content-type": "text/event-stream; charset=utf-8" } };
  assert.ok(service.match(x, head), `plugin "${plugin.name}" does not relay text/event-stream`);
  return service.create(x, head);
}

/** All that a relay makes of the chunks. */
function pass(relay: Relay, chunks: readonly Uint8Array[]): Buffer {
  const out = chunks.map((chunk) => relay.data(chunk) ?? new Uint8Array());
  return Buffer.concat([...out, relay.end?.() ?? new Uint8Array()]);
}

/** What has passed is still there, and behind it one event that is the error. A relay may also say nothing. */
async function assertTold(relay: Relay, seen: Uint8Array, message: string): Promise<void> {
  const passed = relay.data(seen) ?? new Uint8Array();
  const frame = relay.broken?.(new ProxyError("upstream_reset", message)) ?? null;
  if (frame === null) return;
  const at = `cut after ${JSON.stringify(Buffer.from(seen).toString().slice(-30))}`;
  const before = parseSse(seen);
  const after = parseSse(Buffer.concat([passed, frame]));
  assert.deepEqual(after.slice(0, before.length), before, at);
  // What was half said when it broke may turn up as an event too.
  assert.ok(
    after.length > before.length && after.length <= before.length + 2,
    `${at}: ${after.length} events, ${before.length} before`,
  );
  const told = after.at(-1)?.data ?? "";
  assert.doesNotMatch(told, /[\n\r\u0085\u2028\u2029]/, `${at}: the error is not in one line`);
  assert.ok(
    JSON.stringify(JSON.parse(told)).includes(JSON.stringify(message).slice(1, -1)),
    `${at}: does not tell the message: ${told}`,
  );
  assert.notEqual(after.at(-2)?.data, "[DONE]", `${at}: it looks like the end`);
}

function slice(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] || 1;
    chunks.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}

function random(seed: number): number[] {
  const next = seededRandom(seed);
  return Array.from({ length: 97 }, () => 1 + Math.floor(next() * 40));
}
