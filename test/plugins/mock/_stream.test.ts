import type { IncomingMessage } from "node:http";
import { expect, onTestFinished, test, vi } from "vitest";
import { hello, open, start } from "./backend.ts";

test("a stream waits for the latency and between chunks, and keeps no timer for a client that left", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const backend = await start({ latency: 1000, chunkInterval: 100 });
  let text = "";
  const opened = open(backend, { ...hello, stream: true });
  const res = vi.fn((answer: IncomingMessage) => {
    answer.on("data", (chunk: Buffer) => (text += chunk.toString())).on("error", () => {});
    return answer;
  });
  const answered = opened.then(res);
  await until(() => vi.getTimerCount() === 1);
  vi.advanceTimersByTime(999);
  await turns(20);
  expect(res).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  await until(() => eventsIn(text) === 1);
  vi.advanceTimersByTime(99);
  await turns(20);
  expect(eventsIn(text)).toBe(1);
  vi.advanceTimersByTime(1);
  await until(() => eventsIn(text) === 2);
  expect(vi.getTimerCount()).toBe(1);
  (await answered).destroy();
  await until(() => backend.active === 0);
  expect(vi.getTimerCount()).toBe(0);
});

test("a stream is made no faster than the client takes it", async () => {
  const backend = await start({ tokens: 60_000 });
  const res = await open(backend, { ...hello, stream: true });
  // Not read: what was written fills the buffers and the rest waits for as long as no one takes it.
  await turns(200);
  expect(backend.active).toBe(1);
  let bytes = 0;
  for await (const chunk of res) bytes += String(chunk).length;
  expect(res.complete).toBe(true);
  expect(bytes).toBeGreaterThan(10_000_000);
  await vi.waitFor(() => expect(backend.active).toBe(0));
});

function eventsIn(text: string): number {
  return text.split("\n\n").length - 1;
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000 && !condition(); turn++) await turns(1);
  expect(condition()).toBe(true);
}

/** Turns of the event loop, not time. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
