import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSse } from "../../../core/testing/sse-parser.ts";
import { createStreamReader, type StreamEvent } from "../../../plugins/discovery/_registry-stream.ts";

function read(chunks: readonly Uint8Array[], limit = 1_000_000): StreamEvent[] {
  const events: StreamEvent[] = [];
  const reader = createStreamReader(limit, (event) => events.push(event));
  for (const chunk of chunks) reader.push(chunk);
  return events;
}

function readText(text: string): StreamEvent[] {
  return read([Buffer.from(text)]);
}

/** Cut after each of the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

const sample = Buffer.from(
  '\uFEFFevent: sync\r\nid: e1-1\r\ndata: {"name":"ä€😀",\r\ndata: "b":1}\r\n\r\n: ping\n\nevent:upsert\rdata\rdata: x\r\rdata: last\n\n',
);

test("reads events, their ids and data of several lines, and passes over comments", () => {
  expect(read([sample])).toEqual([
    { type: "sync", id: "e1-1", data: '{"name":"ä€😀",\n"b":1}' },
    { type: "upsert", id: undefined, data: "\nx" },
    { type: "message", id: undefined, data: "last" },
  ]);
});

test("reads the same wherever the bytes are cut in two", () => {
  const whole = read([sample]);
  for (let at = 0; at <= sample.length; at++) expect(read(cut(sample, [at]))).toEqual(whole);
});

test("reads the same byte by byte", () => {
  expect(read([...sample].map((byte) => Uint8Array.of(byte)))).toEqual(read([sample]));
});

test("reads what the standard says, however the bytes are cut", () => {
  const line = fc.oneof(
    fc.constantFrom("", "data", "data:", ": ping", "event: upsert", "id: 1", "retry: 5", "dat: no", "data:: x"),
    fc.string({ unit: "grapheme" }).map((text) => `data: ${text}`),
    fc.string({ unit: "grapheme" }),
  );
  const ending = fc.constantFrom("\n", "\r", "\r\n");
  fc.assert(
    fc.property(fc.array(fc.tuple(line, ending)), fc.array(fc.nat(500)), (lines, places) => {
      const bytes = Buffer.from(lines.flat().join(""));
      const events = read(cut(bytes, places)).map(({ type, data }) => ({ type, data }));
      // The reader ends a line at a carriage return that comes last; what only reads whole streams does, too.
      expect(events).toEqual(parseSse(bytes));
    }),
    { numRuns: 1_000 },
  );
});

test("gives an event when its line has ended, not with the next byte", () => {
  expect(readText("data: a\n\n")).toHaveLength(1);
  expect(readText("data: a\r\n\r\n")).toHaveLength(1);
  expect(readText("data: a\r\r")).toHaveLength(1);
  expect(readText("data: a\n")).toHaveLength(0);
});

test("refuses an event that is longer than the limit, in one line or in many", () => {
  const long = Buffer.from(`data: ${"a".repeat(200)}`);
  expect(() => read([long], 100)).toThrow("more than 100 bytes");
  expect(() => read([Buffer.from("data: aaaaaaaaaa\n".repeat(20))], 100)).toThrow("more than 100 bytes");
  expect(read([Buffer.from("data: aaaaaaaaaa\n\n".repeat(20))], 100)).toHaveLength(20);
});

test("reads a line of megabytes that comes in small pieces", () => {
  const bytes = Buffer.from(`data: ${"x".repeat(4_000_000)}\n\n`);
  const chunks = Array.from({ length: Math.ceil(bytes.length / 1_000) }, (_, i) =>
    bytes.subarray(i * 1_000, (i + 1) * 1_000),
  );
  expect(read(chunks, 5_000_000).map(({ data }) => data.length)).toEqual([4_000_000]);
});
