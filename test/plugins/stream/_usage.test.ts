import fc from "fast-check";
import { expect, test } from "vitest";
import { UsageFinder } from "../../../plugins/stream/_usage.ts";

function find(...chunks: readonly (string | Uint8Array)[]): UsageFinder["usage"] | undefined {
  const finder = new UsageFinder();
  const found = chunks.map((chunk) => finder.feed(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
  return found.includes(true) ? finder.usage : undefined;
}

function slices(text: string, sizes: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const tokens = (promptTokens: number, completionTokens: number, totalTokens = promptTokens + completionTokens) => ({
  promptTokens,
  completionTokens,
  totalTokens,
});

test.each<[string, string, unknown]>([
  [
    "OpenAI's chat completions",
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n',
    tokens(3, 4),
  ],
  ["space between", 'data: {"usage" :\t {"prompt_tokens": 3, "completion_tokens": 4}}\n\n', tokens(3, 4)],
  [
    "details inside",
    'data: {"usage":{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens":4,"total_tokens":9}}\n\n',
    tokens(3, 4, 9),
  ],
  ["braces in a string inside", 'data: {"usage":{"tier":"}{\\"}","prompt_tokens":3}}\n\n', tokens(3, 0)],
  [
    "OpenAI's responses",
    'data: {"response":{"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}\n\n',
    tokens(3, 4),
  ],
  [
    "Anthropic's messages",
    'event: message_start\ndata: {"message":{"usage":{"input_tokens":25,"output_tokens":1}}}\n\n' +
      'event: message_delta\ndata: {"delta":{},"usage":{"output_tokens":15}}\n\n',
    tokens(25, 15),
  ],
  [
    "usage in every event",
    'data: {"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: {"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n',
    tokens(3, 2),
  ],
  [
    "null in every event but the last",
    'data: {"usage":null}\n\ndata: {"usage":{"completion_tokens":2}}\n\n',
    tokens(0, 2),
  ],
  ["zero", 'data: {"usage":{"prompt_tokens":0}}\n\n', tokens(0, 0)],
  ["no usage", 'data: {"choices":[]}\n\n', undefined],
  ["usage that is null", 'data: {"usage":null}\n\n', undefined],
  ["usage that is a list", 'data: {"usage":[{"prompt_tokens":3}]}\n\n', undefined],
  ["usage of something else", 'data: {"usage":{"requests":3}}\n\n', undefined],
  [
    "counts that are no counts",
    'data: {"usage":{"prompt_tokens":"3","completion_tokens":-1,"total_tokens":1e999}}\n\n',
    undefined,
  ],
  [
    "text of a model that looks like it",
    `data: ${JSON.stringify({ content: '{"usage":{"prompt_tokens":3}}' })}\n\n`,
    undefined,
  ],
  ["the word as a value", 'data: {"type":"usage","x":{"prompt_tokens":3}}\n\n', undefined],
  ["the word as the end of a key", 'data: {"disk usage":{"prompt_tokens":3}}\n\n', undefined],
  ["broken JSON", 'data: {"usage":{"prompt_tokens":3,}}\n\n', undefined],
])("finds the usage in %s, at once and byte by byte", (_name, stream, usage) => {
  expect(find(stream)).toEqual(usage);
  expect(find(...slices(stream, [1]))).toEqual(usage);
});

test("finds the same however the stream is cut", () => {
  const content = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.constantFrom('"usage":{"prompt_tokens":1}', '\\"usage', "usage", '"'),
  );
  const event = fc.record({
    content,
    usage: fc.oneof(fc.constant(null), fc.record({ prompt_tokens: fc.nat(), completion_tokens: fc.nat() })),
  });
  fc.assert(
    fc.property(fc.array(event), fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (events, sizes) => {
      const stream = events.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
      const last = events.findLast((each) => each.usage !== null)?.usage;
      expect(find(...slices(stream, sizes))).toEqual(
        last ? tokens(last.prompt_tokens, last.completion_tokens) : undefined,
      );
    }),
  );
});

test("gives up a usage object that is longer than any, and finds the next", () => {
  const long = `data: {"usage":{"x":"${"a".repeat(10_000)}","prompt_tokens":1}}\n\n`;
  expect(find(...slices(long, [100]))).toBeUndefined();
  expect(find(...slices(`${long}data: {"usage":{"prompt_tokens":2}}\n\n`, [100]))).toEqual(tokens(2, 0));
});

test("does not depend on the chunk once it was read", () => {
  const finder = new UsageFinder();
  const chunk = Buffer.from('data: {"usage":{"prompt_to');
  finder.feed(chunk);
  chunk.fill(0);
  expect(finder.feed(Buffer.from('kens":3}}\n\n'))).toBe(true);
  expect(finder.usage).toEqual(tokens(3, 0));
});

test("takes bytes that are no Buffer", () => {
  expect(find(new TextEncoder().encode('data: {"usage":{"prompt_tokens":3}}\n\n'))).toEqual(tokens(3, 0));
});
