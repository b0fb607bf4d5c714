import OpenAI, { APIError } from "openai";
import type { Plugin } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { openaiErrors } from "plugboard/plugins/errors/openai-errors";
import { queue } from "plugboard/plugins/load/queue";
import { type MockServer, type MockServerOptions, startMockBackend } from "plugboard/plugins/mock/mock-backend";
import { inOrder } from "plugboard/plugins/select/in-order";
import { sse } from "plugboard/plugins/stream/sse";
import { describe, expect, onTestFinished, test } from "vitest";
import { hedge } from "../../../plugins/load/hedge.ts";
import { contentGate } from "../../../plugins/stream/content-gate.ts";
import { keepAlive } from "../../../plugins/stream/keep-alive.ts";
import { openProxy } from "../../core/open-proxy.ts";
import { evilUpstream, type Peer } from "../../wire/evil-upstream.ts";
import { chunk, lastChunk, okEvents } from "../../wire/messages.ts";
import { at, counter, within } from "../../wire/waiting.ts";

const soon = { after: 20, every: 20 };
const asked = { model: "mock-model", messages: [{ role: "user" as const, content: "hi" }], stream: true as const };
const role = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n';
const content = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n';
const whole = `${okEvents()}${chunk(content)}${chunk("data: [DONE]\n\n")}${lastChunk}`;

async function mock(options: MockServerOptions): Promise<MockServer> {
  const server = await startMockBackend(options);
  onTestFinished(() => server.close());
  return server;
}

interface Held {
  readonly url: string;
  /** Requests that came; on which connection is the proxy's business. */
  readonly peers: readonly Peer[];
  next(): Promise<Peer>;
}

/** An upstream that answers when the test does. */
async function upstream(): Promise<Held> {
  const peers: Peer[] = [];
  const come = counter();
  let taken = 0;
  const opened = await evilUpstream(async (peer) => {
    for (;;) {
      await peer.request();
      peers.push(peer);
      come.add();
    }
  });
  onTestFinished(() => opened.close());
  return {
    url: opened.url,
    peers,
    async next() {
      await within(come.reached((taken += 1)), "an upstream is asked");
      return at(peers, taken - 1);
    },
  };
}

/** The address of a proxy before these targets, with a clients' API as of OpenAI. */
async function before(upstreams: readonly { readonly url: string }[], plugins: readonly Plugin[]): Promise<string> {
  const targets = upstreams.map(({ url }) => ({ url, maxConcurrency: 1 }));
  const proxy = await openProxy({
    plugins: [staticTargets({ targets }), keepAlive(soon), ...plugins, sse(), openaiErrors(), inOrder()],
  });
  return (await proxy.listen()).url;
}

function clientOf(url: string): OpenAI {
  return new OpenAI({ apiKey: "none", baseURL: `${url}/v1`, maxRetries: 0 });
}

async function textOf(stream: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<string> {
  let text = "";
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? "";
  return text;
}

/** Reads the answer as it comes. */
async function post(url: string): Promise<{ until(text: string): Promise<string>; rest(): Promise<string> }> {
  const { body } = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(asked),
  });
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  const more = async (): Promise<boolean> => {
    const { done, value = "" } = await within(reader.read(), "more of the answer");
    seen += value;
    return !done;
  };
  return {
    async until(text) {
      while (!seen.includes(text)) if (!(await more())) throw new Error(`it ended before ${text}: ${seen}`);
      return seen;
    },
    async rest() {
      while (await more());
      return seen;
    },
  };
}

const comments = (text: string): number => text.split(": keep-alive\n\n").length - 1;

describe("a client of OpenAI's API", () => {
  test("reads the stream behind the comments as it would without", async () => {
    const [slow, direct] = [await mock({ id: "m", latency: 120 }), await mock({ id: "m" })];
    const url = await before([slow], []);
    const { data, response } = await clientOf(url).chat.completions.create(asked).withResponse();
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    expect(await textOf(data)).toBe(await textOf(await clientOf(direct.url).chat.completions.create(asked)));
  });

  test("throws when an upstream breaks off that it has waited for", async () => {
    const broken = await upstream();
    const url = await before([broken], []);
    const stream = await within(clientOf(url).chat.completions.create(asked), "a head before an answer");
    await (await broken.next()).reset();
    const read = textOf(stream);
    await expect(read).rejects.toThrow(APIError);
    await expect(read).rejects.toMatchObject({ code: "upstream_reset" });
  });

  test("throws when an upstream refuses that it has waited for", async () => {
    const url = await before([await mock({ latency: 120, fault: { status: 429 } })], []);
    const read = textOf(await clientOf(url).chat.completions.create(asked));
    await expect(read).rejects.toMatchObject({ code: "upstream_protocol", message: expect.stringContaining("429") });
  });
});

describe("comments go on", () => {
  test("in a queue", async () => {
    const only = await upstream();
    const url = await before([only], [queue()]);
    const first = post(url);
    const peer = await only.next();
    const second = await post(url);
    await second.until(": keep-alive\n\n: keep-alive\n\n");
    expect(only.peers).toHaveLength(1);
    await peer.write(whole);
    expect(await (await first).rest()).toContain(content);
    await (await only.next()).write(whole);
    expect(await second.rest()).toMatch(/keep-alive\n\n[^:]*data: .*Hi.*\n\ndata: \[DONE\]\n\n$/);
  });

  test("while a gate holds the answer, over to another target, and end when it lets one pass", async () => {
    const [bad, good] = [await upstream(), await upstream()];
    const url = await before([bad, good], [contentGate()]);
    const answer = post(url);
    const begun = `${okEvents()}${chunk(role)}`;
    const first = await bad.next();
    await first.write(begun);
    await (await answer).until(": keep-alive");
    await first.reset();
    const second = await good.next();
    await second.write(begun);
    const held = await (await answer).until(": keep-alive\n\n".repeat(3));
    expect(held).not.toContain("data:");
    await second.write(`${chunk(content)}${lastChunk}`);
    const text = await (await answer).rest();
    expect(text.slice(text.indexOf("data:"))).toBe(role + content);
  });

  test("until the second of two targets has answered", async () => {
    const [slow, fast] = [await upstream(), await upstream()];
    const url = await before([slow, fast], [hedge({ after: 1, methods: ["POST"] })]);
    const answer = post(url);
    const [loser, winner] = [await slow.next(), await fast.next()];
    await (await answer).until(": keep-alive");
    await winner.write(whole);
    await within(loser.ending, "the slow one is left");
    const text = await (await answer).rest();
    expect(comments(text)).toBeGreaterThan(0);
    expect(text).toContain(content);
  });
});
