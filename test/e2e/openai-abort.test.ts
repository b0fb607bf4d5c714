import OpenAI from "openai";
import { expect, test } from "vitest";
import { collect } from "./collect.ts";
import { eventually } from "./eventually.ts";
import { chat, type OpenAiBackend, openBackend, streamed } from "./open-openai.ts";

/** Far more than any test waits for. */
const endless = { tokens: 100_000, chunkInterval: 5 };

const inflight = ({ proxy }: OpenAiBackend): number | undefined => proxy.pools()[0]?.snapshot.all[0]?.live.inflight;

/** Settles when neither the backend nor the proxy has anything under way. */
async function expectQuiet(opened: OpenAiBackend): Promise<void> {
  await eventually(() => {
    expect(opened.backend.active).toBe(0);
    expect(opened.proxy.status().active).toBe(0);
    expect(inflight(opened)).toBe(0);
  });
}

test("aborting a stream reaches the backend and leaves nothing in flight", async () => {
  const opened = await openBackend(endless);
  const stream = await opened.client.chat.completions.create(streamed);
  const chunks = stream[Symbol.asyncIterator]();
  await chunks.next();
  await chunks.next();
  expect(opened.backend.active).toBe(1);
  expect(inflight(opened)).toBe(1);
  stream.controller.abort();
  await expectQuiet(opened);
});

test("leaving the loop over a stream is an abort too", async () => {
  const opened = await openBackend(endless);
  const stream = await opened.client.chat.completions.create(streamed);
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content !== "") break;
  await expectQuiet(opened);
});

test("aborting before the answer began reaches the backend", async () => {
  const opened = await openBackend({ latency: 60_000 });
  const abort = new AbortController();
  const answer = opened.client.chat.completions.create(chat, { signal: abort.signal });
  const rejection = expect(answer).rejects.toThrow(OpenAI.APIUserAbortError);
  await eventually(() => expect(opened.backend.active).toBe(1));
  abort.abort();
  await rejection;
  await expectQuiet(opened);
});

test("an aborted stream does not disturb the ones beside it", async () => {
  const opened = await openBackend({ tokens: 40, chunkInterval: 2 });
  const [left, ...others] = await Promise.all(
    Array.from({ length: 5 }, () => opened.client.chat.completions.create(streamed)),
  );
  left?.controller.abort();
  const ends = await Promise.all(others.map(async (stream) => (await collect(stream)).at(-1)));
  expect(ends.map((end) => end?.choices[0]?.finish_reason)).toEqual(Array(4).fill("stop"));
  await expectQuiet(opened);
});
