import { type Exchange, type Plugin, type Setup, type UpstreamHead } from "plugboard";
import { sse } from "plugboard/plugins/stream/sse";
import { describe, expect, test } from "vitest";
import type { Peer } from "../../wire/evil-upstream.ts";
import { chunk, get, ok, okEvents } from "../../wire/messages.ts";
import { openWire, type WireOptions } from "../../wire/open-wire.ts";
import type { OpenResponse, RawClient } from "../../wire/raw-client.ts";
import { at, counter, within } from "../../wire/waiting.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { outcomeLog, type OutcomeLog } from "./outcome-log.ts";

const events: UpstreamHead = { status: 200, headers: { "content-type": "text/event-stream" } };
const comment = Buffer.from(": wait\n\n");

interface Hand {
  readonly plugin: Plugin;
  early(head?: UpstreamHead): boolean;
}

function hand(): Hand {
  let proxy: Setup | undefined;
  let newest: Exchange | undefined;
  return {
    early: (head = events) => (proxy as Setup).early(newest as Exchange, structuredClone(head), comment),
    plugin: quickPlugin("hand", (setup) => {
      proxy = setup;
      return { request: (x) => void (newest = x) };
    }),
  };
}

interface Waiting {
  readonly client: RawClient;
  readonly peer: Peer;
  /** That of the second attempt. */
  next(): Promise<Peer>;
  readonly hand: Hand;
  readonly log: OutcomeLog;
  /** The head and the first comment, which the client has. */
  readonly response: OpenResponse;
}

/** A client that has a comment, and no upstream's answer. */
async function waiting(options: WireOptions = {}, upstreams = 1, request = get("/")): Promise<Waiting> {
  const by = hand();
  const log = outcomeLog();
  const peers: Peer[] = [];
  const come = counter();
  const script = async (peer: Peer): Promise<void> => {
    await peer.head();
    peers.push(peer);
    come.add();
    await peer.ending;
  };
  const scripts = Array.from({ length: upstreams }, () => script);
  const wire = await openWire(scripts, { ...options, plugins: [by.plugin, log.plugin, ...(options.plugins ?? [])] });
  const client = await wire.client();
  await client.send(request);
  const peer = async (nth: number): Promise<Peer> => {
    await within(come.reached(nth + 1), `request ${nth}`);
    return at(peers, nth);
  };
  const first = await peer(0);
  expect(by.early()).toBe(true);
  return { client, peer: first, next: () => peer(1), hand: by, log, response: await client.head() };
}

const tellEvents = okEvents();

describe("a client that was sent a head before there was an answer", () => {
  test("has it at once, and the answer after it as it came", async () => {
    const { peer, response, hand: by } = await waiting();
    expect([response.status, response.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(by.early()).toBe(true);
    await peer.write(`${tellEvents}${chunk("data: one\n\n")}0\r\n\r\n`);
    expect(await response.whole()).toMatchObject({ ending: "complete", text: ": wait\n\n: wait\n\ndata: one\n\n" });
    expect(by.early()).toBe(false);
  });

  test("does not notice that its answer comes from another target", async () => {
    const { peer, next, response } = await waiting({}, 2);
    await peer.reset();
    const second = await next();
    await second.write(`${tellEvents}${chunk("data: two\n\n")}0\r\n\r\n`);
    expect(await response.whole()).toMatchObject({ ending: "complete", text: ": wait\n\ndata: two\n\n" });
  });

  test("is told an error in the stream, and does not take it for a good end", async () => {
    const { peer, response, log } = await waiting();
    await peer.reset();
    const { text, ending } = await response.whole();
    const [, event = ""] = /^: wait\n\ndata: (.*)\n\n$/.exec(text) ?? [];
    expect(JSON.parse(event)).toMatchObject({ error: { code: "upstream_reset" } });
    expect(ending).not.toBe("complete");
    await log.ended(1);
    expect(at(log.ends)).toMatchObject({ status: 200, error: { code: "upstream_reset" } });
  });

  test.each([
    ["another status", "HTTP/1.1 500 Oops\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n"],
    ["another type", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"],
  ])("is told of an answer with %s in the stream", async (_, head) => {
    const { peer, response } = await waiting();
    await peer.write(head);
    const { text, ending } = await response.whole();
    expect(text).toMatch(/^: wait\n\ndata: \{"error":.*"upstream_protocol"/);
    expect(ending).not.toBe("complete");
  });

  test("is told a break after the answer began by the relay, as ever", async () => {
    const { peer, response } = await waiting({ plugins: [sse()] });
    await peer.write(`${tellEvents}${chunk("data: one\n\n")}`);
    await response.next();
    await peer.reset();
    const { text, ending } = await response.whole();
    expect([text.includes("upstream_reset"), ending]).not.toContain("complete");
  });

  test("of HTTP/1.0 has its answer to the end of the connection", async () => {
    const { peer, response } = await waiting({}, 1, "GET / HTTP/1.0\r\nHost: proxy\r\n\r\n");
    await peer.write(`${tellEvents}${chunk("data: one\n\n")}0\r\n\r\n`);
    expect(await response.whole()).toMatchObject({ framing: "close", text: ": wait\n\ndata: one\n\n" });
  });

  test("that leaves is noticed at the upstream", async () => {
    const { client, peer, log } = await waiting();
    client.reset();
    await within(peer.ending, "the upstream sees it");
    await log.ended(1);
    expect(log.attempts.map(({ kind }) => kind)).toEqual(["client-abort"]);
  });
});

test("nothing is sent early for a request that was answered", async () => {
  const by = hand();
  const wire = await openWire((peer) => peer.write(ok("x")), { plugins: [by.plugin] });
  await wire.exchange(get("/"));
  expect(by.early()).toBe(false);
});

test("a proxy that is draining says that the connection ends with this answer", async () => {
  const by = hand();
  const wire = await openWire(undefined, { plugins: [by.plugin] });
  const client = await wire.client();
  await client.send(get("/"));
  const peer = await wire.upstream.accept();
  await peer.head();
  const closed = wire.proxy.close({ deadline: 3_000 });
  by.early();
  const response = await client.head();
  await peer.write(`${tellEvents}0\r\n\r\n`);
  expect([response.get("connection"), (await response.whole()).ending]).toEqual(["close", "complete"]);
  await closed;
});
