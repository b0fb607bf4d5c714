import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSampleReader } from "../../plugins/health/_metrics-text.ts";
import { parseSse } from "../../core/testing/sse-parser.ts";
import { createStreamReader } from "../../plugins/discovery/_registry-stream.ts";
import { FirstTokenFinder } from "../../plugins/stream/_content.ts";
import { UsageFinder } from "../../plugins/stream/_usage.ts";
import { cut, damaged, fuzz, sizes } from "./fuzz.ts";

const usage = '"usage":{"prompt_tokens":3,"completion_tokens":4}';
const pieces = [
  ...'\n\r:{}"\\\0\ufeffé'.split(""),
  ...'data:|data: |event: error|id: 1|retry: 10|: ping|\n\n|\r\n|😀|[DONE]|"usage"'.split("|"),
  '{"choices":[{"delta":{"content":"Hi"}}]}',
  `{${usage}}`,
  usage,
];
const stream = fc.array(fc.constantFrom(...pieces), { maxLength: 20 }).map((all) => all.join(""));
const bytes = fc.oneof(
  damaged(stream, pieces).map((text) => Buffer.from(text.replace(/\p{Cs}/gu, "?"))),
  fc.uint8Array({ maxLength: 60 }).map((all) => Buffer.from(all)),
);

/** What a reader says of the same bytes, however they are cut. */
const sameHoweverCut = (read: (chunks: readonly Buffer[]) => unknown): Promise<void> =>
  fuzz(
    fc.tuple(bytes, sizes),
    ([all, by]) => {
      const whole = read([all]);
      expect(read(cut(all, [1]))).toEqual(whole);
      expect(read(cut(all, by))).toEqual(whole);
    },
    3_000,
  );

describe("a reader of streams says the same of any bytes, however they are cut:", () => {
  test("the finder of the first token", () =>
    sameHoweverCut((chunks) => {
      const finder = new FirstTokenFinder();
      return chunks.some((chunk) => finder.feed(chunk));
    }));

  test("the finder of usage", () =>
    sameHoweverCut((chunks) => {
      const finder = new UsageFinder();
      for (const chunk of chunks) finder.feed(chunk);
      return finder.usage;
    }));

  test("the reader of a registry's events", () =>
    sameHoweverCut((chunks) => {
      const events: unknown[] = [];
      const reader = createStreamReader(1_000_000, (event) => void events.push(event));
      for (const chunk of chunks) reader.push(chunk);
      return events;
    }));

  test("the reader of metrics", () =>
    sameHoweverCut((chunks) => {
      const reader = createSampleReader(["data", "usage"]);
      for (const chunk of chunks) reader.add(chunk);
      return [...reader.end()];
    }));
});

test("the reader of a registry's events finds the events that the standard finds", () =>
  fuzz(
    fc.tuple(bytes, sizes),
    ([all, by]) => {
      const events: { type: string; data: string }[] = [];
      const reader = createStreamReader(1_000_000, ({ type, data }) => void events.push({ type, data }));
      for (const chunk of cut(all, by)) reader.push(chunk);
      expect(events).toEqual(parseSse(all));
    },
    3_000,
  ));

test("an event that is longer than the limit is refused, wherever it is cut", () =>
  fuzz(
    fc.tuple(fc.integer({ min: 20, max: 200 }), sizes),
    ([length, by]) => {
      const reader = createStreamReader(10, () => {});
      expect(() => {
        for (const chunk of cut(Buffer.from(`data: ${"a".repeat(length)}`), by)) reader.push(chunk);
      }).toThrow("more than 10 bytes");
    },
    200,
  ));

test("counts of tokens are whole numbers or nothing, whatever the stream says", () =>
  fuzz(
    fc.tuple(fc.json(), fc.json(), sizes),
    ([prompt, completion, by]) => {
      const finder = new UsageFinder();
      const text = `data: {"usage":{"prompt_tokens":${prompt},"completion_tokens":${completion}}}\n\n`;
      for (const chunk of cut(Buffer.from(text), by)) finder.feed(chunk);
      for (const count of Object.values(finder.usage)) expect(Number.isFinite(count) && count >= 0).toBe(true);
    },
    1_000,
  ));
