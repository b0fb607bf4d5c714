import fc from "fast-check";
import { expect, test } from "vitest";
import { FirstTokenFinder } from "../../../plugins/stream/_content.ts";

/** Which chunk has the first token in it; -1 if none has. */
function find(chunks: readonly (string | Uint8Array)[]): number {
  const finder = new FirstTokenFinder();
  return chunks.findIndex((chunk) => finder.feed(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
}

function bytesOf(text: string): Buffer[] {
  return Array.from(Buffer.from(text), (byte) => Buffer.from([byte]));
}

const chat = (delta: unknown) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`;
const typed = (event: { type: string }) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

const content: readonly (readonly [string, string])[] = [
  ["text of a chat", chat({ content: "Hi" })],
  ["a space", chat({ content: " " })],
  ["text beside the role", chat({ role: "assistant", content: "Hi" })],
  ["reasoning", chat({ content: null, reasoning_content: "Hm" })],
  ["reasoning by another name", chat({ reasoning: "Hm" })],
  ["a refusal", chat({ refusal: "No" })],
  ["a tool call", chat({ tool_calls: [{ index: 0, function: { name: "look", arguments: "" } }] })],
  ["the second choice", 'data: {"choices":[{"delta":{}},{"delta":{"content":"Hi"}}]}\n\n'],
  ["text of a completion", 'data: {"choices":[{"text":"Hi"}]}\n\n'],
  ["no space behind the colon", 'data:{"choices":[{"delta":{"content":"Hi"}}]}\r\n\r\n'],
  ["lines that end with CR", 'event: x\rdata: {"choices":[{"delta":{"content":"Hi"}}]}\r\r'],
  ["Anthropic's text", typed({ type: "content_block_delta", delta: { type: "text_delta", text: "Hi" } } as never)],
  ["Anthropic's thinking", typed({ type: "content_block_delta", delta: { thinking: "Hm" } } as never)],
  ["Anthropic's tool input", typed({ type: "content_block_delta", delta: { partial_json: "{" } } as never)],
  ["text of a response", typed({ type: "response.output_text.delta", delta: "Hi" } as never)],
  ["arguments of a response", typed({ type: "response.function_call_arguments.delta", delta: "{" } as never)],
];

const before: readonly (readonly [string, string])[] = [
  ["a comment", ': {"choices":[{"delta":{"content":"Hi"}}]}\n\n'],
  ["a comment with spaces", ':    {"choices":[{"delta":{"content":"Hi"}}]}\n\n'],
  ["another field", 'event: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'],
  ["the role alone", chat({ role: "assistant" })],
  ["the role and no text", chat({ role: "assistant", content: "" })],
  ["null", chat({ content: null, tool_calls: null, refusal: null })],
  ["no tool calls", chat({ tool_calls: [] })],
  ["a finish", 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'],
  ["a completion without text", 'data: {"choices":[{"text":""}]}\n\n'],
  ["usage", 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'],
  ["an error", 'data: {"error":{"message":"content"}}\n\n'],
  ["the end", "data: [DONE]\n\n"],
  ["no JSON", 'data: {"choices":[{"delta":{"content":"Hi"}\n\n'],
  ["JSON of another kind", 'data: null\n\ndata: "content"\n\ndata: [1]\n\ndata: {"choices":[null,3]}\n\n'],
  ["Anthropic's ping", typed({ type: "ping" })],
  ["Anthropic's start", typed({ type: "message_start", message: { content: [], usage: {} } } as never)],
  ["Anthropic's block", typed({ type: "content_block_start", content_block: { type: "text", text: "" } } as never)],
  ["Anthropic's empty delta", typed({ type: "content_block_delta", delta: { partial_json: "" } } as never)],
  ["the start of a response", typed({ type: "response.created", response: { instructions: "Be brief" } } as never)],
  ["an empty delta of a response", typed({ type: "response.output_text.delta", delta: "" } as never)],
  ["text that a request is quoted with", chat({ role: "user", name: '"content":"Hi"' })],
];

test.each(content)("takes %s for content, at once and byte by byte", (_name, event) => {
  expect(find([event])).toBe(0);
  expect(find(bytesOf(event))).toBeGreaterThan(0);
});

test.each(before)("does not take %s for content", (_name, event) => {
  expect(find([event])).toBe(-1);
  expect(find(bytesOf(event))).toBe(-1);
  expect(find([event, event, chat({ content: "Hi" })])).toBe(2);
});

test("finds the event that is first, however the stream is cut", () => {
  const parts = fc.array(fc.constantFrom(...before.map(([, event]) => event)), { maxLength: 4 });
  const first = fc.constantFrom(...content.map(([, event]) => event));
  fc.assert(
    fc.property(parts, first, fc.integer({ min: 1, max: 40 }), (noise, event, size) => {
      const bytes = Buffer.from(noise.join("") + event + chat({ content: "more" }));
      const start = Buffer.byteLength(noise.join(""));
      const end = start + Buffer.byteLength(event);
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      const found = find(chunks);
      expect((found + 1) * size).toBeGreaterThan(start);
      expect(found * size).toBeLessThan(end);
    }),
  );
});

test("passes over an event that is too long, and finds the next", () => {
  const long = chat({ role: "assistant", note: "a".repeat(200_000), content: "Hi" });
  const chunks = Array.from({ length: 201 }, (_, i) => long.slice(i * 1_000, (i + 1) * 1_000));
  expect(find(chunks)).toBe(-1);
  expect(find([...chunks, chat({ content: "Hi" })])).toBe(201);
});

test("does not depend on the chunk once it was read", () => {
  const finder = new FirstTokenFinder();
  const event = Buffer.from(chat({ content: "Hi" }));
  const half = Buffer.from(event.subarray(0, 30));
  expect(finder.feed(half)).toBe(false);
  half.fill(0);
  expect(finder.feed(event.subarray(30))).toBe(true);
});

test("takes bytes that are no Buffer", () => {
  expect(find([new TextEncoder().encode(chat({ content: "naïve 🦙" }))])).toBe(0);
});
